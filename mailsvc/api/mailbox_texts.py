"""The descriptions of the fields of mailboxes and arrivals, and examples; see ``field_texts``."""

from typing import Any

__all__ = ["MAILBOX_EXAMPLES", "MAILBOX_TEXTS"]

_MAILBOX = {
    "protocol": "`imap` or `pop3`.",
    "host": "The mail server's host name or address.",
    "port": "993 or 143 for IMAP, 995 or 110 for POP3, by `tls`.",
    "tls": "`implicit` uses TLS from the first byte, `starttls` requires STARTTLS or STLS, `none` uses plain text.",
    "folder": "The folder that is watched; POP3 has only `INBOX`.",
    "after": "What happens to a mail on the server once it is stored: `keep` leaves it as it is, `seen` marks it as read, `delete`, or "
    "`move:FOLDER`. POP3 has `keep` and `delete`.",
    "first_read": "Whether mails that are there at the first look are read (`all`) or not (`new`).",
    "poll_interval": "Seconds between two looks; IMAP looks at once when the server tells of a new mail.",
    "idle": "Whether the server is asked to tell of new mails (IMAP IDLE).",
    "relay": "The relay whose account this is; `null` if it is none. Sent messages are then looked for (`on_uncertain: verify`) and filed "
    "(`file_sent`) in this mailbox.",
    "sent_folder": "The folder with sent mails; `null` for the one that the server marks as such or that has a usual name.",
    "status_reason": "Why the mailbox is not active, in one word.",
}
_ARRIVAL = {
    "message_id": "The mail's own Message-ID header field (RFC 5322); `null` where it has none.",
    "recipient": "The recipient of your message whom it is about; `null` if there is none.",
    "delivery_id": "The id of the delivery that it is about; `null` if there is none.",
    "size": "Size of the mail, in bytes, as the mail server says.",
    "error": "What was cut or can't be read, in a sentence; `null` if nothing.",
    "text": "The plain text; `null` if there is none.",
    "html": "The HTML text, as it was sent: sanitize it before you show it.",
    "headers": "All header fields in their order, decoded.",
}

MAILBOX_TEXTS = {
    **{
        f"{schema}.{name}": text
        for schema in ("MailboxObject", "NewMailbox", "MailboxChanges")
        for name, text in _MAILBOX.items()
    },
    **{f"{schema}.{name}": text for schema in ("Arrival", "ArrivalDetails") for name, text in _ARRIVAL.items()},
    "MailboxObject.status": "`starting` until the first complete look, then `active`, `failing` or `paused`.",
    "last_read_at": "When everything in the mailbox had been read last; `null` before the first time.",
    "PauseMailbox.reason": "A note, shown with the mailbox.",
    "ProbeMailbox.relay": "The relay (name or id) that sends the mails; by default the one that the mailbox is linked to, else the app's default relay.",
    "ProbeMailbox.address": "The mailbox's own address, where the user name is none.",
    "ProbeFinding.name": "`plus_addresses`: mail to `local+x@domain` arrives. `return_path`: an envelope sender that is not the address in From is kept. "
    "`dsn`: the relay offers DSN, and a report of success arrives. `message_id`: the Message-ID is kept. `sent_copies`: the provider files "
    "copies in the Sent folder. `one_copy`: one of each mail.",
    "ProbeFinding.result": "`unknown` if it could not be found out.",
    "ProbeFinding.detail": "How that is known.",
    "MailboxProbe.address": "Whence and whereto the mails were sent.",
    "MailboxProbe.relay": "The name of the relay that sent them.",
    "MailboxProbe.settings": "The settings of the relay and of messages that fit; those that can't be told are missing.",
    "MailboxProbe.advice": "What to set, in sentences.",
    "MailboxCheckStep.name": "What was tried.",
    "MailboxCheckStep.detail": "What the server said.",
    "MailboxCheck.tls": "How the session was protected; `null` when it was not.",
    "MailboxCheck.capabilities": "What the server offers (CAPABILITY, CAPA).",
    "MailboxCheck.messages": "How many mails are in the folder; `null` if that is not known.",
    "mailbox_id": "The id of the mailbox.",
    "kind": "What the mail is; `unparsed` if it can't be read.",
    "date": "The header field Date; `null` where it can't be read.",
    "in_reply_to_message_id": "The id of the message of yours that it is about; `null` if there is none.",
    "received_at": "When it was stored.",
    "folder": "The folder in which it arrived.",
    "uid": "Its name on the server: `UIDVALIDITY:UID` of IMAP, the unique-id of POP3; `null` if the server gives none.",
    "truncated": "Whether only the header was stored, because the mail is larger than `MAILSVC_MAX_INBOUND_BYTES`.",
    "auto_reply": "Whether a machine wrote it.",
    "forwarded": "Whether it passes another mail on.",
    "findings": "What it says about deliveries.",
    "evidence": "By what it was assigned to a message, strongest first.",
    "quoted": "What is quoted from earlier mails; `null` if nothing.",
    "signature": "The signature below the text; `null` if there is none.",
    "index": "Its place in `/attachments/{index}`, from 0.",
    "ArrivalAttachment.size": "Size of the decoded content, in bytes.",
    "ArrivalAttachment.filename": "A name under which it is safe to save the content.",
    "ArrivalAttachment.disposition": "As the mail declares it; `null` if it does not.",
}

MAILBOX_EXAMPLES: dict[str, Any] = {
    "NewMailbox": {
        "name": "support",
        "host": "imap.example.test",
        "username": "support@example.test",
        "password": "…",
        "after": "seen",
    },
    "MailboxChanges": {"poll_interval": 30},
    "ProbeMailbox": {"relay": "default"},
    "PauseMailbox": {"reason": "the account is moving"},
}
