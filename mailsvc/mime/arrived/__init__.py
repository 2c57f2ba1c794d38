"""Mail as it arrived, from whomever: read leniently, within limits."""

from mailsvc.mime.arrived.addresses import addresses_in
from mailsvc.mime.arrived.mail import ArrivedAttachment, ArrivedMail, attachment_content, read_mail, read_mail_and_parts

__all__ = ["ArrivedAttachment", "ArrivedMail", "addresses_in", "attachment_content", "read_mail", "read_mail_and_parts"]
