"""How signatures begin and what footers say, in lower case; where languages differ, one language a line."""

from mailsvc.understand.replies.forms.listed import listed

__all__ = [
    "BRANDS",
    "CLOSINGS",
    "CONFIDENTIAL",
    "DEVICES",
    "LIST_FOOTERS",
    "MOBILE_APPS",
    "SENT_FROM",
    "SENT_WITH",
    "THANKS",
]

# "Sent from my …": what stands before the device.
SENT_FROM = listed(
    """
    sent from|sent via|sent by|sent on|sent using|sent with|from my|this message was sent from
    this email was sent from|this e-mail was sent from|composed on|typed on|written on
    von meinem|von meiner|von unterwegs|gesendet von|gesendet mit|gesendet über|gesendet aus
    diese nachricht wurde von meinem|diese nachricht wurde mit|versendet von|mobil gesendet
    envoyé de|envoyé depuis|envoyé à partir|envoyé par|envoyé avec|envoyé via|envoyée depuis|provenance :
    télécharger outlook
    enviado desde|enviado con|enviado de|enviado a través|enviado por
    enviat des|enviat amb
    enviado do|enviado a partir|enviado pelo|enviado via|enviado da
    inviato da|inviata da|inviato dal|inviato con|inviato tramite
    trimis de|trimis din
    verstuurd vanaf|verzonden vanaf|verzonden met|verstuurd met|verzonden via|verstuurd via|verstuurd vanuit
    verzonden vanuit
    wysłane z|wysłano z|wysłany z|wysłana z
    skickat från|skickades från|skickat via|skickat med|skickad från
    sendt fra|sendt via|sendt med|sendt af
    lähetetty|lähetin|hanki outlook
    saadetud minu
    sent úr|sendt úr
    отправлено с|отправлено из|отправлено от|послано с
    надіслано з|відправлено з
    iphone'umdan|ipad'imden
    odesláno z|odesláno ze|posláno z
    odoslané z|odoslané zo
    poslano s|poslano iz|poslato sa
    elküldve|küldve
    στάλθηκε από|εστάλη από|αποστολή από
    iphoneから|ipadから
    發自我的|发自我的|从我的|從我的|寄自我的|傳送自|发送自|來自我的|获取 outlook|取得 outlook
    나의 iphone|내 iphone|나의 ipad
    đã gửi từ|được gửi từ|gửi từ
    dikirim dari
    ส่งจาก
    أُرسلت من|أرسلت من|مُرسل من|تم الإرسال من|مرسل من
    ارسال شده از
    נשלח מה|נשלח מ|נשלח באמצעות
    """
)
# What stands behind the device, in languages that put the verb last.
SENT_WITH = listed(
    """
    from mobile|from my phone
    gesendet|geschickt|versendet|gesendet.|verstuurd|から送信|より送信|から送信されました|傳送|发送|寄出|에서 보냄|에서 보냈습니다|gönderildi
    gönderilmiştir|küldve|elküldve|lähetetty
    """
)
# A word of them makes it a device or a mail program, inflected or not.
BRANDS = listed(
    """
    iphon|ipad|ipod|apple watch|macbook|imac|айфон|android|samsung|galaxy|blackberry|huawei|xiaomi|redmi|pixel|nokia|htc
    xperia|motorola|oneplus|honor|oppo|lumia|alcatel|symbian|windows|smartphone|smartfon|смартфон|telefon|téléphone|teléfono
    telemóvel|celular|cellulare|puheli|телефон|мобильн|mobil|tablet|urządzeni|zařízení|zariadeni|устройств|dispositivo|dispositiu
    手机|手機|携帯|スマート|휴대|جهاز|هاتف|電話|大哥大
    outlook|gmail|yahoo|aol|proton|thunderbird|spark|airmail|sparrow|mailbox|acompli|k-9|fairemail|zoho|fastmail|hotmail|mailbird
    polymail|superhuman|spike|tutanota|tuta|telekom|gmx|web.de|freemail|orange|verizon|t-mobile|at&t|vodafone|workmail|bluemail
    """
)
DEVICES = listed(
    """
    ios|phone|smart phone|mobile|mobile device|cell|cellphone|handy|handheld|device|mail|nine|sony|portable|telefoon|móvil|mobiel
    gerät|appareil|apparaat|enhet|enhed|laite|laitteesta|aparat
    """
)
# What programs add otherwise.
MOBILE_APPS = listed(
    """
    get outlook for|get [outlook for|obtenir outlook|obtenez outlook|télécharger outlook|holen sie sich outlook
    outlook für|outlook for ios herunterladen|obtener outlook|obtén outlook|obter outlook|obter o outlook|obtenha outlook
    obtenha o outlook|ottieni outlook|scarica outlook|download outlook|outlook voor|pobierz outlook
    pobierz aplikację outlook|hämta outlook|skaffa outlook|hent outlook|få outlook|hanki outlook|скачать outlook
    получить outlook|outlook для|outlook'u|ios için outlook|android için outlook|získat outlook|získejte outlook
    outlook for android|outlook for ios|下载 outlook|下載 outlook|获取outlook|outlook for ios を入手|ios 版 outlook|ios用 outlook
    ios용 outlook|android용 outlook|yahoo mail: search, organize|yahoo mail:|sent from yahoo mail|do you yahoo
    get the new outlook|get yahoo mail|mit der gmx mail app|excuse typos|please excuse typos|please excuse any typos
    please excuse my brevity|please excuse brevity|excuse the brevity|please pardon|bitte entschuldigen sie die kürze
    bitte verzeihen sie meine kurzfassung|veuillez excuser ma brièveté|disculpa mi brevedad|sent securely with|<<sent
    virenfrei.|virus-free.|garanti sans virus|libre de virus|this email has been checked for viruses
    this email has been scanned|diese e-mail wurde von avast|l'absence de virus dans ce courrier
    ce courrier électronique a été vérifié|este correo electrónico ha sido comprobado
    questa e-mail è stata controllata|deze e-mail is gecontroleerd|ta wiadomość została sprawdzona
    """
)
# Closing phrases; a name may follow in the same line.
CLOSINGS = listed(
    """
    best regards|kind regards|kindest regards|warm regards|warmest regards|regards|best wishes|many thanks and regards
    all the best|sincerely|sincerely yours|yours sincerely|yours faithfully|yours truly|respectfully
    thanks and regards|thanks & regards|with kind regards|with best regards|cordially
    br|rgds|kr
    mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichem gruß|mit freundlichem gruss|freundliche grüße
    freundliche grüsse|freundlicher gruß|freundlichen gruß|viele grüße|viele grüsse|liebe grüße|liebe grüsse
    beste grüße|beste grüsse|herzliche grüße|herzliche grüsse|schöne grüße|schöne grüsse|lieber gruß|herzlichen gruß
    besten gruß|mit besten grüßen|mit lieben grüßen|mit herzlichen grüßen|grüße|grüsse|gruß|gruss|mfg|lg|vg
    hochachtungsvoll|vielen dank und viele grüße|mit freundlichen grüßen / best regards
    cordialement|bien cordialement|très cordialement|salutations|meilleures salutations|sincères salutations
    salutations distinguées|bien à vous|bien à toi|amicalement|respectueusement|cdt|cdlt
    bonne fin de journée|bonne réception|avec mes salutations
    saludos|un saludo|saludos cordiales|atentamente|cordialmente|un cordial saludo|un abrazo
    reciba un cordial saludo|atte
    salutacions|atentament|cordialment
    atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|abraço|abraços|saudações|att
    adeus
    cordiali saluti|distinti saluti|saluti|un saluto|un cordiale saluto|arrivederci
    cu stimă|cu respect|toate cele bune
    met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|groet|groeten|groetjes
    hartelijke groet|hartelijke groeten|mvg|hoogachtend|tot ziens
    pozdrawiam|z poważaniem|z wyrazami szacunku|pozdrawiam serdecznie|serdecznie pozdrawiam|pozdrowienia
    serdeczne pozdrowienia|z pozdrowieniami|do widzenia
    med vänliga hälsningar|med vänlig hälsning|vänliga hälsningar|vänlig hälsning|bästa hälsningar|hälsningar|hälsning
    mvh|vänligen|hej då
    med venlig hilsen|venlig hilsen|venlige hilsner|med venlige hilsner|de bedste hilsner|bedste hilsner|hilsen|kh|vh
    kærlig hilsen|mange hilsner
    med vennlig hilsen|vennlig hilsen|vennlige hilsener|beste hilsen|med beste hilsen|ha det
    ystävällisin terveisin|terveisin|parhain terveisin|yst. terv|terv|hyvää päivänjatkoa|näkemiin
    yt
    lugupidamisega|parimate soovidega
    с уважением|с наилучшими пожеланиями|всего доброго|всего хорошего|с благодарностью|до свидания
    з повагою|з найкращими побажаннями
    поздрави|с уважение
    saygılarımla|saygılarımızla|iyi çalışmalar|selamlar|en iyi dileklerimle|sevgiler
    s pozdravem|s přátelským pozdravem|s úctou|zdraví|na shledanou
    s pozdravom
    srdačan pozdrav|lijep pozdrav|s poštovanjem|pozdrav|lp
    üdvözlettel|tisztelettel|köszönettel|üdv
    με εκτίμηση|φιλικά
    よろしくお願いします|よろしくお願いいたします|宜しくお願いします|宜しくお願い致します|よろしくお願い致します|敬具|以上
    此致|敬礼|敬禮|祝好|顺祝商祺|祝工作顺利
    드림|올림
    trân trọng|thân ái
    salam|hormat saya
    مع أطيب التحيات|مع التحية|تحياتي|وتفضلوا بقبول فائق الاحترام
    با احترام
    בברכה|בכבוד רב|בברכה,
    """
)
# These close a mail, too, but may be all that somebody wants to say.
THANKS = listed(
    """
    thanks|thank you|many thanks|thanks a lot|thanks so much|thx|vielen dank|danke|merci|gracias|muchas gracias
    obrigado|obrigada|grato|grata|grazie|mulțumesc|bedankt|alvast bedankt|dziękuję|tack|tak|takk|kiitos|kiitoksin
    спасибо|дякую|teşekkürler|děkuji|ďakujem|ευχαριστώ|谢谢|謝謝|감사합니다|고맙습니다|cảm ơn|terima kasih|شكرا|شكراً|با تشکر|תודה
    bonne journée|bonne soirée|au revoir|à bientôt|buona giornata|a presto|best|cheers|t|love|yours|take care
    hezký den|iyi günler
    """
)
# What legal disclaimers say near their beginning.
CONFIDENTIAL = listed(
    """
    confidential|privileged|intended recipient|intended solely|intended only for|intended for the|disclaimer
    this e-mail and any|this email and any|this message and any|this email message|this e-mail message
    this message is intended|this communication|consider the environment|before printing|vertraulich
    diese e-mail enthält|diese e-mail ist|diese nachricht ist|bevor sie diese e-mail ausdrucken|confidentiel
    ce message et|ce courriel|cet e-mail|avant d'imprimer|pensez à l'environnement|confidencial|este mensaje
    este correo|esta mensagem|este e-mail|aviso legal|riservat|il presente messaggio|questo messaggio
    le informazioni contenute|questa e-mail|vertrouwelijk|dit bericht is|deze e-mail|poufn|niniejsza wiadomość
    ta wiadomość|treść tej wiadomości|konfidentiell|fortrolig|detta meddelande|denne e-mail|denne e-post|luottamuksel
    tämä viesti|конфиденциальн|настоящее сообщение|gizli|bu e-posta|bu mesaj|důvěrn|tato zpráva|tento e-mail|bizalmas
    機密|本メール|本郵件|本邮件|本电子邮件|本電子郵件|보안|본 메일|이 메일은|سرية|سري|هذه الرسالة|חסוי|הודעה זו|registered office
    registered in england|company registration|handelsregister|amtsgericht|geschäftsführer:|sitz der gesellschaft
    """
)
# What the footers of mailing lists and of ticket systems say.
LIST_FOOTERS = listed(
    """
    mailing list|mailinglist|mailman/listinfo|unsubscribe|to post to this group|you received this message because
    you are receiving this because|abmelden|abbestellen|se désabonner|désinscri|désinscription|cancelar suscripción
    darse de baja|cancelar a inscrição|cancelar inscrição|annulla iscrizione|cancella|disiscri|uitschrijven|afmelden
    wypisz|zrezygnować z subskrypcji|avregistrera|avsluta prenumeration|afmeld|avmeld|peruuta tilaus|отписаться
    abonelikten|odhlásit|配信停止|退订|取消订阅|取消訂閱|수신거부|إلغاء الاشتراك|הסרה|manage your subscription|email preferences
    notification settings|groups.google.com|listinfo|liste de diffusion|lista de correo|lista de discussão
    reply to this email directly|view it on github|view it on gitlab|to respond, reply to this email
    """
)
