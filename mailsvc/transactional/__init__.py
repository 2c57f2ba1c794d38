"""The application's side of ``mailsvc_submission``: mails that are committed with the application's own transaction."""

from mailsvc.transactional.outbox import Outbox
from mailsvc.transactional.receipt import Receipt, ReceiptDelivery
from mailsvc.transactional.sending.attachments import Attachment
from mailsvc.transactional.submission import new_message_id

__all__ = ["Attachment", "Outbox", "Receipt", "ReceiptDelivery", "new_message_id"]
