"""The labels of the header that mail programs repeat above a quotation."""

from mailsvc.understand.replies.forms.listed import listed

__all__ = ["LABELS"]

_FROM = listed(
    """
    from|von|de|expéditeur|expediteur|remitente|da|mittente|van|od|nadawca|från|fra|avsender|afsender|lähettäjä
    keneltä|saatja|от|от кого|від|kimden|gönderen|odesílatel|odosielateľ|feladó|pošiljatelj|από|差出人|送信者|发件人|发件者|寄件者
    寄件人|보낸 사람|보낸사람|발신|từ|người gửi|dari|จาก|من|المرسل|از|מאת|de la|expeditor|frá
    """
)
_SENT = listed(
    """
    sent|date|gesendet|datum|envoyé|envoyé le|envoye|date d'envoi|enviado|enviado el|enviado em|enviada em|enviada
    enviado a las|fecha|data|data de envio|inviato|data invio|verzonden|wysłano|wysłane|data wysłania|skickat
    skickades|sendt|dato|lähetetty|päiväys|päivämäärä|saadetud|kuupäev|отправлено|дата|надіслано|gönderildi|gönderilme
    gönderme tarihi|tarih|odesláno|odoslané|dátum|elküldve|küldve|poslano|ημερομηνία|στάλθηκε|送信日時|日時|日付|发送时间|发送日期|日期
    时间|時間|寄件日期|傳送時間|보낸 날짜|날짜|보낸날짜|보낸 시간|đã gửi|ngày|dikirim|tanggal|ส่ง|วันที่|تاريخ الإرسال|تم الإرسال|التاريخ|أرسل
    تاريخ|נשלח|תאריך|trimis|message du|sent at|gesendet am|sent on
    """
)
_TO = listed(
    """
    to|an|à|a|para|aan|do|adresat|till|til|vastaanottaja|kenelle|saaja|кому|komu|kime|alıcı|címzett|za|prima|προς|宛先
    收件人|收件者|받는 사람|받는사람|수신|đến|tới|kepada|ถึง|إلى|الى|به|אל|către|catre|pour|destinataire|destinatario|empfänger
    do wiadomości
    """
)
_CC = listed(
    """
    cc|kopie|copie|copie à|copia|kopia|kopi|kopio|копия|копія|bilgi|kopija|másolatot kap|κοιν|抄送|副本|참조|cc:|dw|สำเนา
    نسخة|عותק|עותק|bcc|cci
    """
)
_SUBJECT = listed(
    """
    subject|betreff|objet|sujet|asunto|assunto|oggetto|onderwerp|temat|ämne|emne|aihe|teema|тема|konu|předmět|predmet
    tárgy|θέμα|件名|主题|主旨|主題|제목|chủ đề|tiêu đề|subjek|perihal|เรื่อง|หัวเรื่อง|الموضوع|موضوع|נושא|subiect|tema|efni
    """
)
_OTHER = listed(
    """
    reply-to|reply to|antwort an|antworten an|répondre à|responder a|responder para|rispondi a|risposta|risposta a
    beantwoorden aan|svara till|svar til|ответить|odpowiedz do|importance|wichtigkeit|priority|priorität|priorité
    importancia|attachments|anlagen|pièces jointes|adjuntos|organization|organisation|sent by|gesendet von|enviado por
    message-id|in-reply-to|mailed-by|signed-by|返信先|回复|답장 받는 사람
    """
)
_ROLES = {"other": _OTHER, "subject": _SUBJECT, "cc": _CC, "to": _TO, "sent": _SENT, "from": _FROM}
# The role of each label. Few stand for two, such as "Van" for From and To.
LABELS = {label: role for role, labels in _ROLES.items() for label in labels}
