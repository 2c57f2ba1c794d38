"""The words that machines begin their answers with, in many languages. Data, read by ``understand.automatic``."""

import re

__all__ = ["ABSENCE", "ANNOUNCED", "CHALLENGE", "IN_BODY", "TICKET"]


def _any(*shapes: str) -> re.Pattern[str]:
    return re.compile("|".join(shapes), re.IGNORECASE)


# At the beginning of a subject, without any other sign of a machine.
ANNOUNCED = _any(
    r"\[?auto(matic|mated|mated e-?mail|matisch\w*)?[ -]?(reply|replied|response|responder|answer)\b",
    r"auto(-|matic )?(re(ply)?|resp(onse)?|antwort):",
    r"out[ -]of[ -](the )?office\b.{0,40}(reply|response|message|notification|:)|out[ -]of[ -](the )?office$|ooo?f?( reply| message)?:",
    r"vacation (reply|response|message|notice|auto)|away (message|notice|notification)|(on|annual) leave:",
    r"automatisch(e|es)? (antwort|abwesenheit|rückmeldung|empfangsbestätigung)|abwesenheits?(notiz|meldung|nachricht|benachrichtigung|assistent|hinweis)",
    r"r[ée]ponse automatique|message (d['’]absence|automatique)|notification d['’]absence|absence du bureau",
    r"respuesta autom[áa]tica|fuera de (la )?oficina|mensaje autom[áa]tico|ausente de la oficina",
    r"resposta autom[áa]tica|fora do escrit[óo]rio|mensagem autom[áa]tica|ausência tempor",
    r"risposta automatica|fuori (sede|ufficio)|risponditore automatico|messaggio automatico",
    r"automatisch (antwoord|bericht)|automatische (reactie|beantwoording)|afwezigheids?(bericht|melding|assistent)|niet op kantoor",
    r"auto(matiskt? )?svar\b|frånvaro(meddelande|besked)|fraværs(besked|melding|assistent)|ikke (til stede|på kontoret)",
    r"automaattinen (vastaus|poissaolo)|poissaolo(viesti|ilmoitus)|automaatvastus",
    r"automatyczna odpowied[źz]|odpowied[źz] automatyczna|poza biurem|autoodpowied[źz]",
    r"automatick[áa] odpove[dď]|automatická odpověď|mimo kancel[áa][rř]|automatikus válasz|házon kívül",
    r"răspuns automat|raspuns automat|în afara biroului|automatski odgovor|samodejni odgovor",
    r"(\w+ ){0,3}autom[āa]tisk[āa] atbilde|automatinis atsakymas|αυτόματη απάντηση|εκτός γραφείου",
    r"автоматическ(ий|ое) (ответ|уведомление)|автоответ|вне офиса|автоматична відповідь|автоматичен отговор",
    r"otomatik (yanıt|cevap)|ofis dışında|balasan otomatis|trả lời tự động|jawapan automatik",
    r"自動(応答|返信|回覆|回复|送信メール)|不在(通知|のお知らせ|連絡)|自动(回复|答复|应答)|外出(通知|自动)|休假(自动|通知)",
    r"자동 ?(회신|응답|답장)|부재 ?중 (자동|알림)|ตอบกลับอัตโนมัติ|رد تلقائي|خارج المكتب|תשובה אוטומטית|מענה אוטומטי",
)

# At the beginning of a subject, where something else shows a machine, too: people write of absences as well.
ABSENCE = _any(
    r"(i am |i'm |currently )?(out of (the )?office|away|on (annual |maternity |parental |sick )?leave|on vacation|on holiday|absent)\b",
    r"vacation|ooo\b|auto:|holiday",
    r"(ich bin )?(abwesen|nicht im (büro|haus)|im urlaub|urlaub|außer haus)",
    r"absen(ce|t)|en (congé|vacances)|indisponible|ausen(te|cia)|de vacaciones|vacaciones|ausência|férias|em férias",
    r"assen(te|za)|in ferie|afwezig|met vakantie|frånvarande|semester|fravær|ferie|poissa|loma",
    r"nieobecno|urlop|nepřítomn|dovolen|távollét|szabadság|concediu|odsutn|odsotn|godišnji",
    r"отсутств|(я )?в отпуске|відпустк|отпуск|yıllık izin|izinli|απουσία|άδεια",
    r"不在|休暇|外出|休假|出差|부재|휴가|إجازة|חופשה",
)

# Subjects of systems that confirm a request, at the beginning or after the number.
TICKET = _any(
    r"(your )?(request|ticket|case|inquiry|enquiry|e-?mail|message|support request)[^:]{0,40} (has been |was |is )?(received|created|opened|registered|logged)\b",
    r"\[?(request|ticket|case|message) received\]?|new (support )?ticket (created|opened)|(ticket|case) (created|opened|confirmation)",
    r"(we('ve| have)|wir haben) (received|got) your|thank(s| you) for (contacting|your (e-?mail|request|message|enquiry|inquiry))|acknowledge?ment of",
    r"(ihre|eingangsbestätigung)[^:]{0,40}(anfrage|nachricht|e-?mail|ticket)?[^:]{0,20}(eingegangen|erhalten|bestätigung)|eingangsbestätigung",
    r"accus[ée] de r[ée]ception|nous avons (bien )?re[çc]u|confirmaci[óo]n de recepci[óo]n|hemos recibido|recebemos (a )?su?a|conferma di ricezione",
    r"ontvangstbevestiging|ваш (запрос|заявк)\w* (принят|получен|зарегистр)|お問い合わせ(を受け付け|ありがとう)|受付(完了|のお知らせ)|您的(请求|邮件|工单)已",
)

# Systems that ask the sender to prove that he is a person.
CHALLENGE = _any(
    r"\[?(boxtrapper|spam ?arrest|tmda|mailinblack|mailblocks|choicemail|uol antispam|antispam uol|bluebottle|earthlink spamblocker)\b",
    r"(please )?(confirm|verify|authenticate)( that)?( you sent)? (your|this|the) (e-?mail|message|mail|address)\b.{0,40}(deliver|to reach|sender)",
    r"(sender|e-?mail|message) (verification|authentication|confirmation) (required|request|needed)|your (e-?mail|message|mail) requires (verification|confirmation)",
    r"merci de (vous authentifier|valider votre|confirmer votre)|bitte bestätigen sie ihre (e-?mail|nachricht)|confirme (seu|su) (e-?mail|mensaje|mensagem)",
)

# First sentences of an answer: they say what it is.
IN_BODY = _any(
    r"this is an? (automatic(ally)?|automated|auto-?)[ -]?(generated )?(reply|response|answer|acknowledge?ment|confirmation)",
    r"this (e-?mail|message|reply|response) (is|was|has been) (an? )?(automatically|auto|automated)[ -]?(generated|sent|reply|response|created)",
    r"(do not|don't|please do not) reply to this (automated|automatic)",
    r"(dies|das) ist eine automatisch(e| generierte| erstellte) (antwort|nachricht|e-?mail)|diese (e-?mail|nachricht|antwort) wurde automatisch",
    r"ceci est une? (réponse|message) automatique|este es un (mensaje|correo) autom[áa]tico|esta es una respuesta autom[áa]tica",
    r"esta é uma (mensagem|resposta) autom[áa]tica|questa è una risposta automatica|questo è un messaggio automatico|dit is een automatisch",
    r"(это|данное) (автоматическ|письмо сгенерировано автоматически)|это автоматическ|このメールは(、)?(自動|システム)|本(邮件|信)(为|是|由)?(系统)?自动",
    r"to jest automatyczn|det(ta|te) är ett automatiskt|dette er et(t)? automatisk|bu (bir )?otomatik",
)
