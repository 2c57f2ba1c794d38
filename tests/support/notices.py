"""Notices of failure in the forms of many mail systems, one small text each, and what they say."""

from typing import NamedTuple

__all__ = ["FORMS", "HEADER", "Form"]


class Form(NamedTuple):
    text: str
    reason: str
    code: str | None = None  # enhanced
    subject: str = "failure notice"
    recipients: tuple[str, ...] = ("bob@shop.test",)


HEADER = "\n\nReceived: from app.test by mx.test; Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@app.test>\nTo: bob@shop.test\nSubject: Hi\n\nHello"

FORMS = {
    "postfix": Form(
        "This is the mail system at host mx.test.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n\nFor further assistance, please send mail to <postmaster@mx.test>\n\n                   The mail system\n\n<bob@shop.test> (expanded from <all@shop.test>): host in.shop.test[192.0.2.1]\n    said: 550 5.1.1 <bob@shop.test>: Recipient address rejected: User unknown\n    (in reply to RCPT TO command)",
        "mailbox_unknown",
        "5.1.1",
    ),
    "qmail": Form(
        "Hi. This is the qmail-send program at mx.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<bob@shop.test>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 no such user\nGiving up on 192.0.2.1.\n\n<eve@shop.test>:\nSorry, I couldn't find any host named shop.test. (#5.1.2)\n\n--- Below this line is a copy of the message.\n" + HEADER,
        "mailbox_unknown",
        recipients=("bob@shop.test", "eve@shop.test"),
    ),
    "exim": Form(
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  bob@shop.test\n    host in.shop.test [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<bob@shop.test>:\n    550 5.2.2 Over quota\n\n------ This is a copy of the message, including all the headers. ------\n" + HEADER,
        "mailbox_full",
        "5.2.2",
    ),
    "exim, undisclosed": Form(
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  an undisclosed address\n    (generated from bob@shop.test)\n    SMTP error from remote mail server after RCPT TO:<x@y.test>: 550 User unknown",
        "mailbox_unknown",
    ),
    "sendmail": Form(
        "The original message was received at Thu, 1 Jan 2026 00:00:00 GMT\nfrom localhost\n\n   ----- The following addresses had permanent fatal errors -----\n<bob@shop.test>\n    (reason: 550 5.1.1 <bob@shop.test>... User unknown)\n\n   ----- Transcript of session follows -----\n... while talking to in.shop.test.:\n>>> RCPT To:<bob@shop.test>\n<<< 550 5.1.1 <bob@shop.test>... User unknown\n550 5.1.1 <bob@shop.test>... User unknown",
        "mailbox_unknown",
        "5.1.1",
        subject="Returned mail: see transcript for details",
    ),
    "sendmail 5": Form(
        "   ----- Transcript of session follows -----\n550 shop.test (smtp)... 550 Host unknown\n554 <bob@shop.test>... 550 Host unknown (Authoritative answer from name server)\n\n   ----- Unsent message follows -----" + HEADER,
        "domain_unknown",
        subject="Returned mail: Host unknown",
    ),
    "gmail": Form(
        "** Address not found **\n\nYour message wasn't delivered to bob@shop.test because the address couldn't be found, or is unable to receive mail.\n\nLearn more here: https://support.google.com/mail/?p=NoSuchUser\n\nThe response from the remote server was:\n\n550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address.",
        "mailbox_unknown",
        "5.1.1",
        subject="Delivery Status Notification (Failure)",
    ),
    "gmail, older": Form(
        "Delivery to the following recipient failed permanently:\n\n     bob@shop.test\n\nTechnical details of permanent failure: \nThe recipient server did not accept our requests to connect. [(0) shop.test. [192.0.2.1]:25: socket error]\n\n----- Original message -----\n" + HEADER,
        "network_error",
        subject="Delivery Status Notification (Failure)",
    ),
    "microsoft 365": Form(
        "Delivery has failed to these recipients or groups:\n\nbob@shop.test<mailto:bob@shop.test>\nThe email address you entered couldn't be found. Please check the recipient's email address and try to resend the message.\n\nDiagnostic information for administrators:\n\nGenerating server: AM0.prod.outlook.test\n\nbob@shop.test\nRemote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup'\n\nOriginal message headers:\n" + HEADER,
        "mailbox_unknown",
        "5.1.10",
        subject="Undeliverable: Hi",
    ),
    "exchange 2003": Form(
        "Your message\n\n  To:      bob@shop.test\n  Subject: Hi\n  Sent:    Thu, 1 Jan 2026 00:00:00 +0000\n\ndid not reach the following recipient(s):\n\nbob@shop.test on Thu, 1 Jan 2026 00:00:00 +0000\n    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=jp;a= ;p=x\n    MSEXCH:IMS:X:Y:Z 0 (000C05A6) Unknown Recipient",
        "mailbox_unknown",
        subject="Undeliverable: Hi",
    ),
    "exchange, x400": Form(
        "Your message\n\n  To:      list\n\ndid not reach the following recipient(s):\n\nc=US;a= ;p=X;o=Y;dda:SMTP=bob@shop.test; on Thu, 1 Jan 2026\n 00:00:00 +0000\n    The recipient name is not recognized",
        "mailbox_unknown",
        subject="Undeliverable: Hi",
    ),
    "yahoo": Form(
        "Sorry, we were unable to deliver your message to the following address.\n\n<bob@shop.test>:\n554: delivery error: dd This user doesn't have a yahoo.test account (bob@shop.test) [0] - mta1.mail.yahoo.test\n\n--- Below this line is a copy of the message.\n" + HEADER,
        "mailbox_unknown",
        subject="Failure Notice",
    ),
    "icloud": Form(
        "This report relates to a message you sent with the following header fields:\n\n  Message-id: <1@app.test>\n  From: app@app.test\n  To: bob@shop.test\n\nYour message cannot be delivered to the following recipients:\n\n  Recipient address: bob@shop.test\n  Reason: Remote SMTP server has rejected address\n  Diagnostic code: smtp;550 5.1.1 <bob@shop.test>: user does not exist",
        "mailbox_unknown",
        "5.1.1",
        subject="Delivery Notification: Delivery has failed",
    ),
    "domino": Form(
        "Your message\n\n  Subject: Hi\n\nwas not delivered to:\n\n  bob@shop.test\n\nbecause:\n\n  User bob (bob@shop.test) not listed in Domino Directory",
        "mailbox_unknown",
        subject="DELIVERY FAILURE: User bob (bob@shop.test) not listed in Domino Directory",
    ),
    "zimbra": Form(
        "This is the mail system at host zimbra.test.\n\n<bob@shop.test>: host in.shop.test[192.0.2.1] said: 452 4.2.2 Over quota (in reply to RCPT TO command)",
        "mailbox_full",
        "4.2.2",
        subject="Undelivered Mail Returned to Sender",
    ),
    "workmail": Form(
        "An error occurred while trying to deliver the mail to the following recipients:\nbob@shop.test",
        "other",
        subject="Delivery Status Notification (Failure)",
    ),
    "mimecast": Form(
        "This is an automated alert notification. Please do not reply.\n\nAn email that you attempted to send to the following address could not be delivered:\n-- bob@shop.test\n\nThe problem appears to be :\n-- Recipient email address is possibly incorrect\n\nAdditional information follows :\n-- 5.4.1 Recipient address rejected: Access denied.",
        "mailbox_unknown",
        "5.4.1",
        subject="[Postmaster] Email Delivery Failure",
    ),
    "proofpoint": Form(
        "Your message to bob@shop.test could not be delivered.\nReason: 554 Blocked - see https://ipcheck.proofpoint.test/?ip=192.0.2.1 dnsbl",
        "reputation_blocked",
        subject="Undeliverable message",
    ),
    "barracuda": Form(
        "**** Message from Barracuda Spam Firewall ****\n\nYour message to: bob@shop.test\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: Hi",
        "spam_rejected",
        subject="**Message you sent blocked by our bulk email filter**",
    ),
    "dragonfly": Form(
        "This is the DragonFly Mail Agent v0.13 at app.test.\n\nThere was an error delivering your mail to <bob@shop.test>.\n\nin.shop.test [192.0.2.1] did not like our RCPT TO:\n550 5.1.1 <bob@shop.test>: User unknown\n\nMessage headers follow.\n" + HEADER,
        "mailbox_unknown",
        "5.1.1",
        subject="Mail delivery failed",
    ),
    "opensmtpd": Form(
        "    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n    the following list of recipients:\n\nbob@shop.test: 550 5.2.2 <bob@shop.test>... Mailbox Full\neve@shop.test: 550 5.1.1 <eve@shop.test>... User Unknown\n\n    Below is a copy of the original message:\n" + HEADER,
        "mailbox_full",
        "5.2.2",
        subject="Delivery status notification: error",
        recipients=("bob@shop.test", "eve@shop.test"),
    ),
    "ezweb": Form(
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\nEach of the following recipients was rejected by a remote\nmail server.\n\n    Recipient: <bob@shop.test>\n    >>> RCPT TO:<bob@shop.test>\n    <<< 550 <bob@shop.test>: User unknown",
        "mailbox_unknown",
        subject="Mail System Error - Returned Mail",
    ),
    "m-filter": Form(
        "以下のメールアドレスへの送信に失敗しました。\nbob@shop.test\n\n-------server message\n550 5.1.1 <bob@shop.test>: Recipient address rejected: User unknown\n\n-------SMTP command\nDATA\n\n-------original message\n" + HEADER,
        "mailbox_unknown",
        "5.1.1",
    ),
    "imail": Form("Unknown user: bob@shop.test\n\nOriginal message follows.\n" + HEADER, "mailbox_unknown", subject="Undeliverable Mail"),
    "mailenable": Form(
        "MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n\tRecipient: [SMTP:bob@shop.test]\n\tReason: Remote SMTP Server Returned: 550 Requested action not taken: mailbox unavailable",
        "mailbox_unknown",
        subject="Message Delivery Failure",
    ),
    "mdaemon": Form(
        "The attached message had PERMANENT fatal delivery errors!\n\nThe following addresses did NOT receive a copy of your message:\n\n> bob@shop.test\n\n--- Session Transcript ---\n RCPT To:<bob@shop.test>\n 552 Message for <bob@shop.test> would exceed mailbox quota\n QUIT\n--- End Transcript ---",
        "mailbox_full",
        subject="Permanent Delivery Failure",
    ),
    "groupwise": Form("The message that you sent was undeliverable to the following:\n\tbob@shop.test (user not found)", "mailbox_unknown", subject="Message status - undeliverable"),
    "verizon": Form(
        "Error: Invalid user address\n\nError message below:\n550 5.1.1 no such user here\n\nMessage details:\n  Subject: Hi\n  Sent date: Thu Jan 1 00:00:00 GMT 2026\n  MAIL FROM: app@app.test\n  RCPT TO: bob@shop.test",
        "mailbox_unknown",
        "5.1.1",
        subject="Undeliverable Message",
    ),
    "non-delivery report": Form('--- Non-Delivery Report ---\n\nThe email below could not be delivered to the following user:\n\n"Bob" <bob@shop.test>', "other", subject="Non-Delivery: Hi"),
    "german": Form(
        "Ihre Nachricht konnte an folgende Empfänger nicht zugestellt werden:\n\nbob@shop.test\n\nDie Adresse existiert nicht.", "mailbox_unknown", subject="Unzustellbar: Hallo"
    ),
    "french": Form(
        "Votre message n'a pas pu être remis aux destinataires suivants :\n\nbob@shop.test\n\nLa boîte aux lettres du destinataire est pleine.", "mailbox_full", subject="Non remis : Bonjour"
    ),
    "spanish": Form(
        "No se pudo entregar el mensaje a los siguientes destinatarios:\n\nbob@shop.test\n\nEl usuario no existe en este servidor.", "mailbox_unknown", subject="No se puede entregar: Hola"
    ),
    "portuguese": Form(
        "A sua mensagem não pôde ser entregue aos seguintes destinatários:\n\nbob@shop.test\n\nO endereço não foi encontrado.", "mailbox_unknown", subject="Não entregue: Olá"
    ),
    "italian": Form(
        "Recapito non riuscito per i seguenti destinatari o gruppi:\n\nbob@shop.test\n\nLa casella di posta è piena.", "mailbox_full", subject="Non recapitabile: Ciao"
    ),
    "dutch": Form("De bezorging aan deze geadresseerden is mislukt:\n\nbob@shop.test\n\nHet adres bestaat niet.", "mailbox_unknown", subject="Onbestelbaar: Hallo"),
    "russian": Form(
        "К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n  bob@shop.test\n\nПочтовый ящик переполнен.", "mailbox_full", subject="Недоставленное сообщение"
    ),
    "polish": Form("Wiadomość nie została dostarczona do następujących odbiorców:\n\nbob@shop.test\n\nTaki adres nie istnieje.", "mailbox_unknown", subject="Niedostarczone: Witaj"),
    "japanese": Form("以下の宛先に配信できませんでした。\n\nbob@shop.test\n\n宛先のメールアドレスが存在しません。", "mailbox_unknown", subject="配信不能通知"),
    "chinese": Form("您的邮件无法投递到以下收件人：\n\nbob@shop.test\n\n收件人邮箱不存在。", "mailbox_unknown", subject="系统退信"),
    "activehunter": Form(
        "  ----- The following addresses had permanent fatal errors -----\n\n>>> bob@shop.test <bob@shop.test>\n\n  ----- original message -----\n" + HEADER, "other", subject="FAILURE NOTICE :"
    ),
    "james": Form(
        "Hi. This is the James mail server at mx.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.  Below\nI include the list of recipients and the reason why I was unable to deliver\nyour message.\n\nFailed recipient(s):\nbob@shop.test\n\nError message:\n550 5.1.1 no such user here\n\nMessage details:\n  Subject: Hi\n  MAIL FROM: app@app.test\n  RCPT TO: bob@shop.test",
        "mailbox_unknown",
        "5.1.1",
        subject="[BOUNCE] Hi",
    ),
    "courier": Form(
        "This is a delivery status notification from mx.test,\nrunning the Courier mail server, version 0.65.2.\n\nYour message to the following recipients cannot be delivered:\n\n<bob@shop.test>:\n    in.shop.test [192.0.2.1]:\n>>> RCPT TO:<bob@shop.test>\n<<< 550 5.1.1 <bob@shop.test>... User Unknown\n",
        "mailbox_unknown",
        "5.1.1",
        subject="NOTICE: mail delivery status.",
    ),
    "notes": Form(
        "------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\nbob@shop.test\n\n\n------- Returned Message --------\n" + HEADER, "mailbox_unknown", subject="DELIVERY FAILURE: User bob not listed"
    ),
    "kddi": Form("Your mail sent on: Thu, 1 Jan 2026 00:00:00 +0900\nCould not be delivered to: <bob@shop.test>\nAs their mailbox is full.", "mailbox_full", subject="Mail Delivery Failure"),
    "mailmarshal": Form(
        "Your message:\n   From:    app@app.test\n   Subject: Hi\n\nCould not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following recipients were affected:\n    bob@shop.test\n\nAdditional Information\n======================\nOriginal Sender:    <app@app.test>",
        "mailbox_unknown",
        "5.1.1",
        subject='Undeliverable Mail: "Hi"',
    ),
    "mxlogic": Form(
        "This message was created automatically by mail delivery software.\n\nA message that you have sent could not be delivered to one or more\nrecipients.  This is a permanent error.  The following address failed:\n\n  <bob@shop.test>: 550 5.1.1 User unknown\n\nIncluded is a copy of the message header:\n-----------------------------------------\n" + HEADER,
        "mailbox_unknown",
        "5.1.1",
        subject="Mail delivery failed: returning message to sender",
    ),
    "powermta": Form(
        "Hello, this is the mail server on mx.test.\n\nI am sending you this message to inform you on the delivery status of a\nmessage you previously sent.  Immediately below you will find a list of\nthe affected recipients;  also attached is a Delivery Status Notification\n(DSN) report in standard format.\n\n  <bob@shop.test>  delivery failed; will not continue trying\n",
        "other",
        subject="Delivery report",
    ),
    "telekom": Form(
        "|------------------------- Message log follows: -------------------------|\n no valid recipients were found for this message\n|------------------------- Failed addresses follow: ---------------------|\n <bob@shop.test> ... unknown user\n|------------------------- Message text follows: ------------------------|\n" + HEADER,
        "mailbox_unknown",
        subject="mail failed, returning to sender",
    ),
    "interscan": Form(
        "****** Message from InterScan Messaging Security Suite ******\n\nSent <<< RCPT TO:<bob@shop.test>\nReceived >>> 550 5.1.1 unknown user.\n\nUnable to deliver message to <bob@shop.test> (and other recipients in the same domain).",
        "mailbox_unknown",
        "5.1.1",
        subject="Mail could not be delivered",
    ),
    "secureserver": Form(
        "Your mail message to the following address(es) could not be delivered. This\nis a permanent error. Please verify the addresses and try again.\n\n<bob@shop.test>:\nchild status 100...The e-mail message could not be delivered because the user's mailfolder is full.\n\n--- Below this line is a copy of the message.\n" + HEADER,
        "mailbox_full",
    ),
    "symantec": Form(
        "This is an automatically generated message.\n\nYour message to <bob@shop.test> was rejected by the server in.shop.test, which said: 554 5.7.1 Message blocked by policy", "policy_rejected", "5.7.1", subject="Undeliverable: Hi"
    ),
    "softbank": Form("送信先のメールアドレスが見つからないため、メールを送信できませんでした。\n\nbob@shop.test", "mailbox_unknown", subject="Mail System Error"),
    "docomo": Form("次の宛先へのメールが送信できませんでした。\n宛先：bob@shop.test\nメールボックスの容量が超過しています。", "mailbox_full", subject="送信エラー"),
    "qq": Form(
        "很抱歉您发送的邮件被退回，以下是该邮件的相关信息：\n\n被退回邮件\n主 题：Hi\n时 间：2026-01-01 00:00:00\n\n无法发送到 bob@shop.test\n\n退信原因：收件人邮件地址（bob@shop.test）不存在，邮件无法送达。", "mailbox_unknown", subject="来自qq.com的退信"
    ),
    "netease": Form("抱歉，您的邮件被退回来了……\n\n收件人：bob@shop.test\n退信代码：MI:DMF\n说明: 对方邮箱已满", "mailbox_full", subject="系统退信/Systems bounce"),
    "german, web": Form("Leider konnte Ihre E-Mail nicht zugestellt werden.\n\nEmpfänger: bob@shop.test\nGrund: Das Postfach ist voll.", "mailbox_full", subject="Zustellung fehlgeschlagen"),
    "french, orange": Form("Votre message n'a pas pu être distribué à l'adresse suivante :\n\nbob@shop.test\n\nAdresse inconnue : l'utilisateur est inconnu.", "mailbox_unknown", subject="Message non distribué"),
    "portuguese, uol": Form("Sua mensagem não foi entregue.\n\nDestinatário: bob@shop.test\n\nMotivo: a caixa postal do usuário está cheia", "mailbox_full", subject="Falha na entrega da mensagem"),
    "czech": Form("Vaši zprávu nelze doručit.\n\nbob@shop.test\n550 5.1.1 user unknown", "mailbox_unknown", "5.1.1", subject="Nedoručitelné: Ahoj"),
    "turkish": Form("İletiniz teslim edilemedi.\n\nAlıcı: <bob@shop.test>\n550 5.1.1 user unknown", "mailbox_unknown", "5.1.1", subject="Teslim edilemedi: Merhaba"),
    "swedish": Form("Ditt meddelande kunde inte levereras till följande mottagare:\n\nbob@shop.test\n\n550 5.1.1 user unknown", "mailbox_unknown", "5.1.1", subject="Olevererbart: Hej"),
}  # fmt: skip
