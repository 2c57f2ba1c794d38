"""How signatures begin and what footers say, by language: words only, ``signatures`` reads them. All in lower case."""

__all__ = ["CLOSINGS", "CONFIDENTIAL", "DEVICES", "LIST_FOOTERS", "MOBILE_APPS", "SENT_FROM", "SENT_WITH"]

# "Sent from my …": what stands before the device, and for languages that put the verb last, what stands behind it.
SENT_FROM: dict[str, tuple[str, ...]] = {
    "en": ("sent from", "sent via", "sent by", "sent on", "sent using", "sent with", "from my", "this message was sent from", "this email was sent from", "this e-mail was sent from", "composed on", "typed on", "written on"),
    "de": ("von meinem", "von meiner", "von unterwegs", "gesendet von", "gesendet mit", "gesendet über", "gesendet aus", "diese nachricht wurde von meinem", "diese nachricht wurde mit", "versendet von", "mobil gesendet"),
    "fr": ("envoyé de", "envoyé depuis", "envoyé à partir", "envoyé par", "envoyé avec", "envoyé via", "envoyée depuis", "provenance :", "télécharger outlook"),
    "es": ("enviado desde", "enviado con", "enviado de", "enviado a través", "enviado por"),
    "ca": ("enviat des", "enviat amb"),
    "pt": ("enviado do", "enviado a partir", "enviado pelo", "enviado via", "enviado da"),
    "it": ("inviato da", "inviata da", "inviato dal", "inviato con", "inviato tramite"),
    "ro": ("trimis de", "trimis din"),
    "nl": ("verstuurd vanaf", "verzonden vanaf", "verzonden met", "verstuurd met", "verzonden via", "verstuurd via", "verstuurd vanuit", "verzonden vanuit"),
    "pl": ("wysłane z", "wysłano z", "wysłany z", "wysłana z"),
    "sv": ("skickat från", "skickades från", "skickat via", "skickat med", "skickad från"),
    "da": ("sendt fra", "sendt via", "sendt med", "sendt af"),
    "nb": ("sendt fra", "sendt med"),
    "fi": ("lähetetty", "lähetin", "hanki outlook"),
    "et": ("saadetud minu",),
    "is": ("sent úr", "sendt úr"),
    "ru": ("отправлено с", "отправлено из", "отправлено от", "послано с"),
    "uk": ("надіслано з", "відправлено з"),
    "tr": ("iphone'umdan", "ipad'imden"),
    "cs": ("odesláno z", "odesláno ze", "posláno z"),
    "sk": ("odoslané z", "odoslané zo"),
    "hr": ("poslano s", "poslano iz", "poslato sa"),
    "hu": ("elküldve", "küldve"),
    "el": ("στάλθηκε από", "εστάλη από", "αποστολή από"),
    "ja": ("iphoneから", "ipadから"),
    "zh": ("發自我的", "发自我的", "从我的", "從我的", "寄自我的", "傳送自", "发送自", "來自我的", "获取 outlook", "取得 outlook"),
    "ko": ("나의 iphone", "내 iphone", "나의 ipad"),
    "vi": ("đã gửi từ", "được gửi từ", "gửi từ"),
    "id": ("dikirim dari",),
    "th": ("ส่งจาก",),
    "ar": ("أُرسلت من", "أرسلت من", "مُرسل من", "تم الإرسال من", "مرسل من"),
    "fa": ("ارسال شده از",),
    "he": ("נשלח מה", "נשלח מ", "נשלח באמצעות"),
}
SENT_WITH: tuple[str, ...] = (
    "gesendet", "geschickt", "versendet", "gesendet.", "verstuurd", "から送信", "より送信", "から送信されました", "傳送", "发送", "寄出",
    "에서 보냄", "에서 보냈습니다", "gönderildi", "gönderilmiştir", "küldve", "elküldve", "lähetetty",
)
# A word of them makes it a device or a program, whatever stands around it.
DEVICES: tuple[str, ...] = (
    "iphone", "ipad", "ipod", "apple watch", "macbook", "imac", "android", "samsung", "galaxy", "blackberry", "huawei", "xiaomi", "redmi", "pixel",
    "nokia", "htc", "sony", "xperia", "motorola", "oneplus", "honor", "oppo", "lumia", "alcatel", "symbian", "windows", "phone", "mobile", "mobil",
    "smartphone", "smart phone", "cell", "handy", "handheld", "tablet", "tablette", "tableta", "portable", "telefon", "telefoon", "téléphone", "teléfono",
    "telemóvel", "celular", "móvil", "móviles", "cellulare", "puhelin", "puhelimesta", "телефон", "телефона", "мобильн", "айфон", "смартфон",
    "outlook", "gmail", "yahoo", "aol", "mail", "proton", "thunderbird", "spark", "airmail", "sparrow", "mailbox", "acompli", "k-9", "fairemail", "zoho",
    "fastmail", "hotmail", "nine", "mailbird", "polymail", "superhuman", "spike", "tutanota", "telekom", "gmx", "web.de", "freemail", "orange", "device",
    "gerät", "appareil", "dispositivo", "dispositiu", "apparaat", "urządzenia", "enhet", "enhed", "laite", "устройства", "zařízení", "zariadenia",
    "aparat", "smartfona", "手机", "手機", "携帯", "スマート", "휴대전화", "جهاز", "هاتف", "電話", "ios", "verizon", "t-mobile", "at&t", "vodafone", "ワイモバイル",
)
MOBILE_APPS: tuple[str, ...] = (
    "get outlook for", "get [outlook for", "obtenir outlook", "obtenez outlook", "télécharger outlook", "holen sie sich outlook", "outlook für", "outlook for ios herunterladen",
    "obtener outlook", "obtén outlook", "obter outlook", "obtenha outlook", "obtenha o outlook", "ottieni outlook", "scarica outlook", "download outlook", "outlook voor",
    "pobierz outlook", "pobierz aplikację outlook", "hämta outlook", "skaffa outlook", "hent outlook", "få outlook", "hanki outlook", "скачать outlook", "получить outlook", "outlook для",
    "outlook'u", "ios için outlook", "android için outlook", "získat outlook", "získejte outlook", "outlook for android", "outlook for ios", "下载 outlook", "下載 outlook", "获取outlook",
    "outlook for ios を入手", "ios 版 outlook", "ios用 outlook", "ios용 outlook", "android용 outlook", "yahoo mail: search, organize", "yahoo mail:", "sent from yahoo mail", "do you yahoo",
    "get the new outlook", "get yahoo mail", "mit der gmx mail app", 
    "excuse typos", "please excuse typos", "please excuse any typos", "please excuse my brevity", "please excuse brevity", "excuse the brevity", "please pardon", "bitte entschuldigen sie die kürze",
    "bitte verzeihen sie meine kurzfassung", "veuillez excuser ma brièveté", "disculpa mi brevedad", "sent securely with", "<<sent", "virenfrei.", "virus-free.", "garanti sans virus", "libre de virus",
    "this email has been checked for viruses", "this email has been scanned", "diese e-mail wurde von avast", "l'absence de virus dans ce courrier", "ce courrier électronique a été vérifié",
    "este correo electrónico ha sido comprobado", "questa e-mail è stata controllata", "deze e-mail is gecontroleerd", "ta wiadomość została sprawdzona",
)
# Closing phrases; a name may follow in the same line.
CLOSINGS: dict[str, tuple[str, ...]] = {
    "en": (
        "best regards", "kind regards", "kindest regards", "warm regards", "warmest regards", "regards", "best wishes", "many thanks and regards", "best", "all the best", "sincerely",
        "sincerely yours", "yours sincerely", "yours faithfully", "yours truly", "cheers", "respectfully", "thanks and regards", "thanks & regards", "with kind regards", "with best regards", "cordially",
        "thanks", "thank you", "many thanks", "thanks a lot", "thanks so much", "thx", "br", "rgds", "kr", "take care", "yours", "love",
    ),
    "de": (
        "mit freundlichen grüßen", "mit freundlichen grüssen", "mit freundlichem gruß", "mit freundlichem gruss", "freundliche grüße", "freundliche grüsse", "freundlicher gruß", "freundlichen gruß",
        "viele grüße", "viele grüsse", "liebe grüße", "liebe grüsse", "beste grüße", "beste grüsse", "herzliche grüße", "herzliche grüsse", "schöne grüße", "schöne grüsse", "lieber gruß", "herzlichen gruß",
        "besten gruß", "mit besten grüßen", "mit lieben grüßen", "mit herzlichen grüßen", "grüße", "grüsse", "gruß", "gruss", "mfg", "lg", "vg", "hochachtungsvoll", "vielen dank und viele grüße", "vielen dank", "danke", "mit freundlichen grüßen / best regards",
    ),
    "fr": (
        "cordialement", "bien cordialement", "très cordialement", "salutations", "meilleures salutations", "sincères salutations", "salutations distinguées", "bien à vous", "bien à toi", "amicalement",
        "respectueusement", "cdt", "cdlt", "au revoir", "bonne journée", "bonne fin de journée", "bonne soirée", "bonne réception", "merci", "à bientôt", "avec mes salutations",
    ),
    "es": ("saludos", "un saludo", "saludos cordiales", "atentamente", "cordialmente", "un cordial saludo", "un abrazo", "muchas gracias", "gracias", "reciba un cordial saludo", "atte"),
    "ca": ("salutacions", "atentament", "cordialment"),
    "pt": ("atenciosamente", "cumprimentos", "com os melhores cumprimentos", "melhores cumprimentos", "abraço", "abraços", "saudações", "att", "obrigado", "obrigada", "cordialmente", "grato", "grata", "adeus"),
    "it": ("cordiali saluti", "distinti saluti", "saluti", "un saluto", "grazie", "cordialmente", "un cordiale saluto", "a presto", "buona giornata", "arrivederci"),
    "ro": ("cu stimă", "cu respect", "toate cele bune", "mulțumesc"),
    "nl": ("met vriendelijke groet", "met vriendelijke groeten", "vriendelijke groet", "vriendelijke groeten", "groet", "groeten", "groetjes", "hartelijke groet", "hartelijke groeten", "mvg", "hoogachtend", "bedankt", "tot ziens", "alvast bedankt"),
    "pl": ("pozdrawiam", "z poważaniem", "z wyrazami szacunku", "pozdrawiam serdecznie", "serdecznie pozdrawiam", "pozdrowienia", "serdeczne pozdrowienia", "dziękuję", "z pozdrowieniami", "do widzenia"),
    "sv": ("med vänliga hälsningar", "med vänlig hälsning", "vänliga hälsningar", "vänlig hälsning", "bästa hälsningar", "hälsningar", "hälsning", "mvh", "vänligen", "hej då", "tack"),
    "da": ("med venlig hilsen", "venlig hilsen", "venlige hilsner", "med venlige hilsner", "de bedste hilsner", "bedste hilsner", "hilsen", "mvh", "kh", "vh", "kærlig hilsen", "mange hilsner", "tak"),
    "nb": ("med vennlig hilsen", "vennlig hilsen", "vennlige hilsener", "beste hilsen", "hilsen", "mvh", "med beste hilsen", "ha det", "takk"),
    "fi": ("ystävällisin terveisin", "terveisin", "parhain terveisin", "yst. terv", "terv", "t", "hyvää päivänjatkoa", "näkemiin", "kiitos", "kiitoksin", "yt"),
    "et": ("lugupidamisega", "parimate soovidega"),
    "ru": ("с уважением", "с наилучшими пожеланиями", "всего доброго", "всего хорошего", "спасибо", "с благодарностью", "до свидания"),
    "uk": ("з повагою", "з найкращими побажаннями", "дякую"),
    "bg": ("поздрави", "с уважение"),
    "tr": ("saygılarımla", "saygılarımızla", "iyi çalışmalar", "iyi günler", "teşekkürler", "selamlar", "en iyi dileklerimle", "sevgiler"),
    "cs": ("s pozdravem", "s přátelským pozdravem", "s úctou", "zdraví", "děkuji", "na shledanou", "hezký den"),
    "sk": ("s pozdravom", "s úctou", "ďakujem"),
    "hr": ("srdačan pozdrav", "lijep pozdrav", "s poštovanjem", "pozdrav", "lp"),
    "hu": ("üdvözlettel", "tisztelettel", "köszönettel", "üdv"),
    "el": ("με εκτίμηση", "φιλικά", "ευχαριστώ"),
    "ja": ("よろしくお願いします", "よろしくお願いいたします", "宜しくお願いします", "宜しくお願い致します", "よろしくお願い致します", "敬具", "以上"),
    "zh": ("此致", "敬礼", "敬禮", "祝好", "顺祝商祺", "谢谢", "謝謝", "祝工作顺利"),
    "ko": ("감사합니다", "드림", "올림", "고맙습니다"),
    "vi": ("trân trọng", "thân ái", "cảm ơn"),
    "id": ("salam", "hormat saya", "terima kasih"),
    "ar": ("مع أطيب التحيات", "مع التحية", "تحياتي", "وتفضلوا بقبول فائق الاحترام", "شكرا", "شكراً"),
    "fa": ("با احترام", "با تشکر"),
    "he": ("בברכה", "בכבוד רב", "תודה", "בברכה,"),
}
# What legal disclaimers say near their beginning.
CONFIDENTIAL: tuple[str, ...] = (
    "confidential", "privileged", "intended recipient", "intended solely", "intended only for", "intended for the", "disclaimer", "this e-mail and any", "this email and any", "this message and any",
    "this email message", "this e-mail message", "this message is intended", "this communication", "consider the environment", "before printing", "vertraulich", "diese e-mail enthält", "diese e-mail ist", "diese nachricht ist",
    "bevor sie diese e-mail ausdrucken", "confidentiel", "ce message et", "ce courriel", "cet e-mail", "avant d'imprimer", "pensez à l'environnement", "confidencial", "este mensaje", "este correo", "esta mensagem", "este e-mail", "aviso legal",
    "riservat", "il presente messaggio", "questo messaggio", "le informazioni contenute", "questa e-mail", "vertrouwelijk", "dit bericht is", "deze e-mail", "poufn", "niniejsza wiadomość", "ta wiadomość", "treść tej wiadomości",
    "konfidentiell", "fortrolig", "detta meddelande", "denne e-mail", "denne e-post", "luottamuksel", "tämä viesti", "конфиденциальн", "настоящее сообщение", "gizli", "bu e-posta", "bu mesaj", "důvěrn", "tato zpráva", "tento e-mail", "bizalmas",
    "機密", "本メール", "本郵件", "本邮件", "本电子邮件", "本電子郵件", "보안", "본 메일", "이 메일은", "سرية", "سري", "هذه الرسالة", "חסוי", "הודעה זו", "registered office", "registered in england", "company registration",
    "handelsregister", "amtsgericht", "geschäftsführer:", "sitz der gesellschaft",
)
LIST_FOOTERS: tuple[str, ...] = (
    "mailing list", "mailinglist", "mailman/listinfo", "unsubscribe", "to post to this group", "you received this message because", "you are receiving this because", "abmelden", "abbestellen", "se désabonner", "désinscri", "désinscription",
    "cancelar suscripción", "darse de baja", "cancelar a inscrição", "cancelar inscrição", "annulla iscrizione", "cancella", "disiscri", "uitschrijven", "afmelden", "wypisz", "zrezygnować z subskrypcji", "avregistrera", "avsluta prenumeration",
    "afmeld", "avmeld", "peruuta tilaus", "отписаться", "abonelikten", "odhlásit", "配信停止", "退订", "取消订阅", "取消訂閱", "수신거부", "إلغاء الاشتراك", "הסרה", "manage your subscription", "email preferences", "notification settings", "groups.google.com",
    "listinfo", "liste de diffusion", "lista de correo", "lista de discussão", "reply to this email directly", "view it on github", "view it on gitlab", "to respond, reply to this email",
)
