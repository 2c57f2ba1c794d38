"""What stands in the lines between the new words and the mail below; stems where words are inflected."""

from mailsvc.understand.replies.forms.listed import listed

__all__ = ["BEGIN_FORWARD", "FORWARDED", "FORWARD_SUBJECTS", "MESSAGE", "REPLY_ABOVE"]

# Between dashes: "-----Original Message-----".
MESSAGE = listed(
    """
    original|reply message|message
    ursprüngliche|ursprung|antwort|nachricht
    message d'origine|d’origine|message original
    mensaje|mensagem|messaggio|mesaj|missatge
    oorspronkelijk|bericht
    wiadomość|oryginalna
    meddelande|oprindelig|opprinnelig|meddelelse|besked|melding
    alkuperäinen|viesti
    исходное|первоначальное|оригинальное|сообщение|оригінальне|повідомлення
    původní|pôvodná|zpráva|správa
    eredeti|orijinal|özgün|ileti|αρχικό|μήνυμα|izvorna|poruka|sporočilo
    原始邮件|原始郵件|邮件原件|原邮件|原始信件|原郵件|元のメッセージ|오리지널|원본|thư gốc|tin nhắn gốc|pesan asli|ข้อความต้นฉบับ
    الرسالة|الأصلية|הודעה|מקורית|پیام
    """
)
# Between dashes: "---------- Forwarded message ---------".
FORWARDED = listed(
    """
    forwarded|weitergeleitet|weiterleitung
    transféré|transmis|réexpédié|faire suivre
    reenviad|reencaminhad|encaminhad|inoltrat|redirecționat|redirectionat|reenviat
    doorgestuurd|przekazan|przesłan|przekazyw
    vidarebefordra|videresend|edelleenlähetetty|välitetty|edastatud
    пересыл|пересла|переадрес|переслан|препратено
    iletilen|iletilmiş|yönlendirilen|přeposlan|preposlan|továbbított|προωθ|proslijeđen|prosleđen|posredovan
    转发|轉寄|轉發|転送|전달|chuyển tiếp|diteruskan|dialihkan|ส่งต่อ
    معاد توجيه|المُعاد|محولة|الموجه|הועבר
    """
)
# Alone in a line, as Apple Mail writes it.
BEGIN_FORWARD = listed(
    """
    begin forwarded message|forwarded message|start of forwarded message
    anfang der weitergeleiteten nachricht|anfang der weitergeleiteten e-mail|weitergeleitete nachricht
    début du message réexpédié|début du message transféré|début du courriel réexpédié|début du e-mail réexpédié|message transféré
    inicio del mensaje reenviado|mensaje reenviado|inici del missatge reenviat
    início da mensagem reencaminhada|início da mensagem encaminhada|mensagem encaminhada|mensagem reencaminhada
    inizio messaggio inoltrato|messaggio inoltrato
    begin doorgestuurd bericht|begin van doorgestuurd bericht|doorgestuurd bericht
    początek przekazywanej wiadomości|początek przekazanej wiadomości|wiadomość przekazana
    vidarebefordrat brev|startar vidarebefordrat meddelande|börjar vidarebefordrat meddelande|vidarebefordrat meddelande
    start på videresendt besked|videresendt besked|start på videresendt melding|videresendt melding|begynnelse på videresendt melding
    välitetty viesti alkaa|edelleenlähetetty viesti alkaa|välitetty viesti
    начало переадресованного сообщения|начало пересылаемого сообщения|пересылаемое сообщение|початок листа, що пересилається
    iletilen mesajın başlangıcı|iletilen ileti başlangıcı|iletilmiş ileti başlangıcı|başlangıç iletilen mesaj
    začátek přeposílané zprávy|začátek přeposlané zprávy|začiatok preposlanej správy
    továbbított levél kezdete|továbbított üzenet kezdete|αρχή προωθημένου μηνύματος|început mesaj redirecționat|započinje proslijeđena poruka
    開始轉寄郵件|开始转发的邮件|转发的邮件|以下是转发的邮件|開始転送|転送されたメッセージ|전달된 메시지|전달된 메시지 시작|bắt đầu thư được chuyển tiếp
    بدء الرسالة المعاد توجيهها|بداية الرسالة المعاد توجيهها|תחילת ההודעה שהועברה|תחילת הודעה שהועברה|mulai pesan yang diteruskan
    """
)
# What a ticket system asks for.
REPLY_ABOVE = listed(
    """
    above this line|above the line|above this text|above this email|above this message|reply above to|below this line
    oberhalb dieser linie|oberhalb dieser zeile|über dieser linie|über dieser zeile|über diese linie|unterhalb dieser linie
    au-dessus de cette ligne|au dessus de cette ligne
    encima de esta línea|por encima de esta linea|arriba de esta línea|acima desta linha|por cima desta linha|sopra questa riga|sopra questa linea
    boven deze regel|boven deze lijn|powyżej tej linii|ovanför den här raden|ovanför denna linje|over denne linje|over denne linjen
    tämän rivin yläpuolelle|выше этой строки|выше этой линии|bu satırın üst|nad tento řádek|nad touto čárou|nad túto čiaru
    この行より上|この線より上|在此行之上|在此行上方|在此線上方|이 줄 위에|이 선 위에|فوق هذا السطر|فوق هذا الخط|מעל שורה זו|מעל לשורה זו
    """
)
# Of the subject, before its colon.
FORWARD_SUBJECTS = listed(
    """
    fwd|fw|forward|forwarded|wg|wtr|tr|transf|rv|reenv|enc|encam|i|inoltro|fs|vs|vb|vl|doorst|dw|pd|przek|pf|vidarebef|videres
    пересл|пер|ilt|ynt|továbbítás|tovább|προ|πρθ|fyi|转发|轉寄|轉發|転送|전달|fwd fw|إعادة توجيه|הועבר|ht
    """
)
