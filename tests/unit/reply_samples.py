"""What mail programs write around a quotation, as they write it.

``⏎`` stands for a line break, ``⟨L⟩`` and the like for marks of writing direction.
"""

# Lines above a quotation, by program or language.
ATTRIBUTIONS = """
Gmail, English|On Tue, May 4, 2021 at 10:15 AM Anna Berg <anna@example.test> wrote:
Gmail, British|On Tue, 4 May 2021 at 10:15, Anna Berg <anna@example.test> wrote:
Gmail, wrapped|On Tue, May 4, 2021 at 10:15 AM Anna Berg With A Long Name <⏎anna.berg.with.a.long.name@example.test> wrote:
Gmail, wrapped before the verb|On Tue, May 4, 2021 at 10:15 AM Anna Berg <anna.berg@example.test>⏎wrote:
Address on a line of its own|On Tue, May 4, 2021 at 10:15 AM Anna Berg⏎<anna@example.test⏎> wrote:
Gmail, ISO|2021-05-04 10:15 GMT+02:00 Anna Berg <anna@example.test>:
Apple Mail|On May 4, 2021, at 10:15 AM, Anna Berg <anna@example.test> wrote:
Apple Mail, old|On 04.05.2021, at 10:15, Anna Berg wrote:
Thunderbird|On 5/4/21 10:15 AM, Anna Berg wrote:
Thunderbird, ISO|On 2021-05-04 10:15, Anna Berg wrote:
Yahoo|On Tuesday, May 4, 2021, 10:15:00 AM GMT+2, Anna Berg <anna@example.test> wrote:
Yahoo mobile|On Tue, May 4, 2021 at 10:15 AM, Anna Berg<anna@example.test> wrote:
Proton|On Tuesday, May 4th, 2021 at 10:15 AM, Anna Berg <anna@example.test> wrote:
Proton, old|‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐⏎On Tuesday, May 4th, 2021 at 10:15 AM, Anna Berg <anna@example.test> wrote:
mutt|On Tue, May 04, 2021 at 10:15:00AM +0200, Anna Berg wrote:
Lotus Notes|Anna Berg <anna@example.test> wrote on 05/04/2021 10:15:00 AM:
Samsung|-------- Original message --------
Samsung, in one line|-------- Original message --------From: Anna Berg <anna@example.test> Date: 5/4/21 10:15 AM
Android|---- Anna Berg wrote ----
Hotmail, old|Anna Berg <anna@example.test> wrote:
German|Am 04.05.2021 um 10:15 schrieb Anna Berg:
German, Gmail|Am Di., 4. Mai 2021 um 10:15 Uhr schrieb Anna Berg <anna@example.test>:
German, Gmail new|Anna Berg <anna@example.test> schrieb am Di., 4. Mai 2021, 10:15:
German, Apple|Am 04.05.2021 um 10:15 schrieb Anna Berg <anna@example.test>:
German, web.de|Gesendet: Dienstag, 04. Mai 2021 um 10:15 Uhr⏎Von: "Anna Berg" <anna@example.test>⏎An: bo@example.test⏎Betreff: Frage
French|Le mar. 4 mai 2021 à 10:15, Anna Berg <anna@example.test> a écrit :
French, Thunderbird|Le 04/05/2021 à 10:15, Anna Berg a écrit :
French, no-break space|Le 4 mai 2021 à 10:15, Anna Berg <anna@example.test> a écrit :
Spanish|El mar, 4 may 2021 a las 10:15, Anna Berg (<anna@example.test>) escribió:
Spanish, Thunderbird|El 4/5/21 a las 10:15, Anna Berg escribió:
Portuguese, Brazil|Em ter., 4 de mai. de 2021 às 10:15, Anna Berg <anna@example.test> escreveu:
Portuguese|Anna Berg <anna@example.test> escreveu no dia terça, 4/05/2021 à(s) 10:15:
Italian|Il giorno mar 4 mag 2021 alle ore 10:15 Anna Berg <anna@example.test> ha scritto:
Italian, Thunderbird|Il 04/05/2021 10:15, Anna Berg ha scritto:
Dutch|Op di 4 mei 2021 om 10:15 schreef Anna Berg <anna@example.test>:
Dutch, Apple|Op 4 mei 2021, om 10:15 heeft Anna Berg <anna@example.test> het volgende geschreven:
Polish|wt., 4 maj 2021 o 10:15 Anna Berg <anna@example.test> napisał(a):
Polish, Thunderbird|W dniu 04.05.2021 o 10:15, Anna Berg pisze:
Swedish|Den tis 4 maj 2021 kl 10:15 skrev Anna Berg <anna@example.test>:
Swedish, Apple|4 maj 2021 kl. 10:15 skrev Anna Berg <anna@example.test>:
Danish|Den tir. 4. maj 2021 kl. 10.15 skrev Anna Berg <anna@example.test>:
Norwegian|tir. 4. mai 2021 kl. 10:15 skrev Anna Berg <anna@example.test>:
Finnish|ti 4. toukok. 2021 klo 10.15 Anna Berg (anna@example.test) kirjoitti:
Finnish, Apple|Anna Berg <anna@example.test> kirjoitti 4.5.2021 kello 10.15:
Russian|вт, 4 мая 2021 г. в 10:15, Anna Berg <anna@example.test>:
Russian, Thunderbird|04.05.2021 10:15, Anna Berg пишет:
Russian, Apple|4 мая 2021 г., в 10:15, Anna Berg <anna@example.test> написал(а):
Ukrainian|вт, 4 трав. 2021 р. о 10:15 Anna Berg <anna@example.test> пише:
Turkish|Anna Berg <anna@example.test>, 4 May 2021 Sal, 10:15 tarihinde şunu yazdı:
Turkish, Apple|4 May 2021 tarihinde 10:15 saatinde, Anna Berg <anna@example.test> şunları yazdı:
Czech|út 4. 5. 2021 v 10:15 odesílatel Anna Berg <anna@example.test> napsal:
Czech, Thunderbird|Dne 04. 05. 21 v 10:15 Anna Berg napsal(a):
Slovak|Dňa 4. 5. 2021 o 10:15 Anna Berg napísal(a):
Hungarian|Anna Berg <anna@example.test> ezt írta (időpont: 2021. máj. 4., K, 10:15):
Romanian|Pe mar., 4 mai 2021 la 10:15, Anna Berg <anna@example.test> a scris:
Greek|Στις Τρί 4 Μαΐ 2021 στις 10:15 π.μ., ο χρήστης Anna Berg <anna@example.test> έγραψε:
Japanese|2021年5月4日(火) 10:15 Anna Berg <anna@example.test>:
Japanese, Apple|2021/05/04 10:15、Anna Berg <anna@example.test>のメール：
Japanese, Thunderbird|On 2021/05/04 10:15, Anna Berg wrote:
Chinese|Anna Berg <anna@example.test> 于2021年5月4日周二 上午10:15写道：
Chinese, traditional|Anna Berg <anna@example.test> 於 2021年5月4日 週二 上午10:15寫道：
Chinese, Apple|在 2021年5月4日，上午10:15，Anna Berg <anna@example.test> 写道：
Chinese, 163|在 2021-05-04 10:15:00，"Anna Berg" <anna@example.test> 写道：
Korean|2021년 5월 4일 (화) 오전 10:15, Anna Berg <anna@example.test>님이 작성:
Korean, Apple|2021. 5. 4. 오전 10:15, Anna Berg <anna@example.test> 작성:
Vietnamese|Vào 10:15, Th 3, 4 thg 5, 2021 Anna Berg <anna@example.test> đã viết:
Indonesian|Pada tanggal Sel, 4 Mei 2021 pukul 10.15 Anna Berg <anna@example.test> menulis:
Arabic|في الثلاثاء، ٤ مايو ٢٠٢١ في ١٠:١٥ ص تمت كتابة ما يلي بواسطة ⟨L⟩Anna Berg⟨P⟩⟨M⟩ <⟨L⟩anna@example.test⟨P⟩⟨M⟩>:⟨P⟩
Arabic, Western digits|في 4 مايو 2021، الساعة 10:15 ص، كتب Anna Berg <anna@example.test>:
Hebrew|⟨R⟩בתאריך יום ג׳, 4 במאי 2021 ב-10:15 מאת ⟨L⟩Anna Berg⟨P⟩⟨M⟩ <⟨L⟩anna@example.test⟨P⟩⟨M⟩>:⟨P⟩
Hebrew, Apple|ב-4 במאי 2021, בשעה 10:15, Anna Berg <anna@example.test> כתב/ה:
"""
# Outlook's header, by language.
HEADERS = """
English|From: Anna Berg <anna@example.test>⏎Sent: Tuesday, May 4, 2021 10:15 AM⏎To: Bo <bo@example.test>⏎Subject: A question
English, after a rule|________________________________⏎From: Anna Berg <anna@example.test>⏎Sent: Tuesday, May 4, 2021 10:15 AM⏎To: Bo <bo@example.test>⏎Subject: A question
English, bold|*From:* Anna Berg <anna@example.test>⏎*Sent:* Tuesday, May 4, 2021 10:15 AM⏎*To:* Bo⏎*Subject:* A question
Outlook for Mac|From: Anna Berg <anna@example.test>⏎Date: Tuesday, 4 May 2021 at 10:15⏎To: Bo <bo@example.test>⏎Cc: Cy <cy@example.test>⏎Subject: A question
Without addresses|From: Anna Berg⏎Sent: 04 May 2021 10:15⏎To: Bo⏎Subject: A question
Many recipients|From: Anna Berg <anna@example.test>⏎Sent: 04 May 2021 10:15⏎To: Bo <bo@example.test>; Cy <cy@example.test>;⏎Di <di@example.test>⏎Subject: A question
German|Von: Anna Berg <anna@example.test>⏎Gesendet: Dienstag, 4. Mai 2021 10:15⏎An: Bo <bo@example.test>⏎Betreff: Eine Frage
French|De : Anna Berg <anna@example.test>⏎Envoyé : mardi 4 mai 2021 10:15⏎À : Bo <bo@example.test>⏎Objet : Une question
Spanish|De: Anna Berg <anna@example.test>⏎Enviado el: martes, 4 de mayo de 2021 10:15⏎Para: Bo <bo@example.test>⏎Asunto: Una pregunta
Portuguese|De: Anna Berg <anna@example.test>⏎Enviada em: terça-feira, 4 de maio de 2021 10:15⏎Para: Bo <bo@example.test>⏎Assunto: Uma pergunta
Italian|Da: Anna Berg <anna@example.test>⏎Inviato: martedì 4 maggio 2021 10:15⏎A: Bo <bo@example.test>⏎Oggetto: Una domanda
Dutch|Van: Anna Berg <anna@example.test>⏎Verzonden: dinsdag 4 mei 2021 10:15⏎Aan: Bo <bo@example.test>⏎Onderwerp: Een vraag
Polish|Od: Anna Berg <anna@example.test>⏎Wysłano: wtorek, 4 maja 2021 10:15⏎Do: Bo <bo@example.test>⏎Temat: Pytanie
Swedish|Från: Anna Berg <anna@example.test>⏎Skickat: den 4 maj 2021 10:15⏎Till: Bo <bo@example.test>⏎Ämne: En fråga
Danish|Fra: Anna Berg <anna@example.test>⏎Sendt: 4. maj 2021 10:15⏎Til: Bo <bo@example.test>⏎Emne: Et spørgsmål
Finnish|Lähettäjä: Anna Berg <anna@example.test>⏎Lähetetty: tiistai 4. toukokuuta 2021 10.15⏎Vastaanottaja: Bo <bo@example.test>⏎Aihe: Kysymys
Russian|От: Anna Berg <anna@example.test>⏎Отправлено: 4 мая 2021 г. 10:15⏎Кому: Bo <bo@example.test>⏎Тема: Вопрос
Turkish|Kimden: Anna Berg <anna@example.test>⏎Gönderildi: 4 Mayıs 2021 Salı 10:15⏎Kime: Bo <bo@example.test>⏎Konu: Bir soru
Czech|Od: Anna Berg <anna@example.test>⏎Odesláno: úterý 4. května 2021 10:15⏎Komu: Bo <bo@example.test>⏎Předmět: Otázka
Hungarian|Feladó: Anna Berg <anna@example.test>⏎Elküldve: 2021. május 4., kedd 10:15⏎Címzett: Bo <bo@example.test>⏎Tárgy: Kérdés
Japanese|差出人: Anna Berg <anna@example.test>⏎送信日時: 2021年5月4日 10:15⏎宛先: Bo <bo@example.test>⏎件名: 質問
Chinese|发件人: Anna Berg <anna@example.test>⏎发送时间: 2021年5月4日 10:15⏎收件人: Bo <bo@example.test>⏎主题: 问题
Chinese, wide colons|寄件者：Anna Berg <anna@example.test>⏎寄件日期：2021年5月4日 10:15⏎收件者：Bo <bo@example.test>⏎主旨：問題
Korean|보낸 사람: Anna Berg <anna@example.test>⏎보낸 날짜: 2021년 5월 4일 화요일 오전 10:15⏎받는 사람: Bo <bo@example.test>⏎제목: 질문
Arabic|من: Anna Berg <anna@example.test>⏎تاريخ الإرسال: 4 مايو 2021 10:15⏎إلى: Bo <bo@example.test>⏎الموضوع: سؤال
Hebrew|מאת: Anna Berg <anna@example.test>⏎נשלח: יום שלישי 04 מאי 2021 10:15⏎אל: Bo <bo@example.test>⏎נושא: שאלה
Original message|-----Original Message-----⏎From: Anna Berg⏎Sent: 04 May 2021 10:15⏎To: Bo⏎Subject: A question
Original message, German|-----Ursprüngliche Nachricht-----⏎Von: Anna Berg⏎Gesendet: 4. Mai 2021⏎An: Bo⏎Betreff: Frage
Original message, French|-----Message d'origine-----
Original message, Spanish|-----Mensaje original-----
Original message, Portuguese|-----Mensagem original-----
Original message, Italian|-----Messaggio originale-----
Original message, Dutch|-----Oorspronkelijk bericht-----
Original message, Polish|-----Wiadomość oryginalna-----
Original message, Swedish|-----Ursprungligt meddelande-----
Original message, Danish|-----Oprindelig meddelelse-----
Original message, Norwegian|-----Opprinnelig melding-----
Original message, Finnish|-----Alkuperäinen viesti-----
Original message, Russian|-----Исходное сообщение-----
Original message, Turkish|-----Özgün İleti-----
Original message, Czech|-----Původní zpráva-----
Original message, Chinese|-----邮件原件-----
Original message, Japanese|-----元のメッセージ-----
Original message, Korean|-----원본 메시지-----
Original message, Arabic|-----الرسالة الأصلية-----
Original message, Hebrew|-----הודעה מקורית-----
Ticket system|##- Please type your reply above this line -##
Ticket system, German|--- Bitte antworten Sie oberhalb dieser Linie ---
Ticket system, French|----- Répondez au-dessus de cette ligne -----
"""
FORWARDS = """
Gmail|---------- Forwarded message ---------
Gmail, German|---------- Weitergeleitete Nachricht ---------
Gmail, French|---------- Message transféré ---------
Thunderbird|-------- Forwarded Message --------
Thunderbird, German|-------- Weitergeleitete Nachricht --------
Apple Mail|Begin forwarded message:
Apple Mail, German|Anfang der weitergeleiteten Nachricht:
Apple Mail, French|Début du message réexpédié :
Spanish|---------- Mensaje reenviado ---------
Portuguese|---------- Mensagem encaminhada ---------
Italian|---------- Messaggio inoltrato ---------
Dutch|---------- Doorgestuurd bericht ---------
Polish|---------- Wiadomość przekazana dalej ---------
Swedish|---------- Vidarebefordrat meddelande ---------
Danish|---------- Videresendt meddelelse ---------
Finnish|---------- Välitetty viesti ---------
Russian|---------- Пересылаемое сообщение ---------
Turkish|---------- Yönlendirilen ileti ---------
Czech|---------- Přeposlaná zpráva ---------
Japanese|---------- 転送メッセージ ---------
Chinese|---------- 转发的邮件 ---------
Korean|---------- 전달된 메일 ---------
Arabic|---------- رسالة معاد توجيهها ---------
Hebrew|---------- הודעה שהועברה ---------
"""
GERMAN_DISCLAIMER = "Diese E-Mail enthält vertrauliche Informationen und ist nur für den genannten Empfänger bestimmt."
FOOTERS = """
Sent from my iPhone
Sent from my Samsung Galaxy smartphone.
Sent from Outlook for iOS<https://aka.ms/o0ukef>
Get Outlook for iOS<https://aka.ms/o0ukef>
Get Outlook for Android
Sent from Yahoo Mail on Android
Sent from Proton Mail for iOS
Sent with Proton Mail secure email.
Sent via the Samsung Galaxy S21
Von meinem iPhone gesendet
Von meinem Samsung Galaxy Smartphone gesendet.
Gesendet mit der GMX Mail App
Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.
Holen Sie sich Outlook für Android
Envoyé de mon iPhone
Envoyé depuis mon mobile Orange
Télécharger Outlook pour iOS
Enviado desde mi iPhone
Obtener Outlook para Android
Enviado do meu iPhone
Obter o Outlook para iOS
Inviato da iPhone
Inviato dal mio telefono
Verstuurd vanaf mijn iPhone
Verzonden vanuit Outlook voor iOS
Wysłane z iPhone'a
Skickat från min iPhone
Sendt fra min iPhone
Lähetetty iPhonesta
Отправлено с iPhone
iPhone'umdan gönderildi
Odesláno z iPhonu
Odesláno z mobilu
iPhoneから送信
从我的 iPhone 发送
從我的 iPhone 傳送
나의 iPhone에서 보냄
أُرسلت من الـ iPhone
נשלח מה-iPhone שלי
"""
CLOSINGS = """
Kind regards,
Best regards
Mit freundlichen Grüßen
Cordialement,
Saludos cordiales
Atenciosamente,
Cordiali saluti
Met vriendelijke groet,
Pozdrawiam
Med vänliga hälsningar
Med venlig hilsen
Ystävällisin terveisin
С уважением,
Saygılarımla
S pozdravem
בברכה
"""


_SIGNS = {"⏎": "\n", "⟨L⟩": "\u202a", "⟨R⟩": "\u202b", "⟨P⟩": "\u202c", "⟨M⟩": "\u200f"}


def rows(table: str) -> list[tuple[str, str]]:
    """The name and the lines of each row."""
    return [(name, _spelled(lines)) for name, lines in (row.split("|", 1) for row in table.strip().splitlines())]


def _spelled(lines: str) -> str:
    for sign, meant in _SIGNS.items():
        lines = lines.replace(sign, meant)
    return lines
