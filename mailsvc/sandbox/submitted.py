"""A message as the sandbox took it, for one of its recipients."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from mailsvc.mime.arrived import ArrivedMail, addresses_in, read_mail
from mailsvc.smtp.server import Envelope

__all__ = ["HOST", "Submitted"]

HOST = "mx.sandbox.test"  # names the sandbox in its mails, their Message-IDs included
READ_BYTES = 262_144  # of a message: its header and, mostly, all of its text
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_OWN_ID = f"@{HOST}>"


@dataclass(frozen=True)
class Submitted:
    """A message, its envelope, and the recipient whose part is acted."""

    envelope: Envelope
    recipient: str
    content: bytes
    now: int  # microseconds since the epoch

    @cached_property
    def mail(self) -> ArrivedMail:
        """What can be read of the message."""
        return read_mail(self.content[:READ_BYTES])

    @property
    def sender(self) -> str:
        """The envelope sender; empty for a message that wants no reports."""
        return self.envelope.sender

    @property
    def envid(self) -> str | None:
        """The envelope id that the sender chose (RFC 3461 section 4.4)."""
        return _decoded(self.envelope.envid) if self.envelope.envid else None

    @property
    def original_recipient(self) -> str | None:
        """``rfc822;address``, as the sender gave it (RFC 3461 section 4.2)."""
        original = self.envelope.originals.get(self.recipient)
        return _decoded(original) if original else None

    @property
    def notify(self) -> str:
        """Which reports the sender wants (RFC 3461 section 4.1); empty where it did not say."""
        return self.envelope.notify.get(self.recipient, "")

    @cached_property
    def authors(self) -> tuple[str, ...]:
        """The addresses to which a person answers: Reply-To, else From, else the envelope sender."""
        return self.mail.reply_to or ((self.mail.from_,) if self.mail.from_ else ()) or (self.sender,)

    @property
    def author(self) -> str:
        """The bare address of the first of these; empty if there is none."""
        return next(iter(addresses_in(self.authors[0])), "")

    @property
    def is_answer(self) -> bool:
        """Whether it answers a mail of the sandbox, or was sent by a machine that answers.

        The sandbox answers neither, so that two machines never write to each other without end.
        """
        mail = self.mail
        answers = any(id_.endswith(_OWN_ID) for id_ in (*mail.in_reply_to, *mail.references))
        return answers or (self.field("auto-submitted") or "").lower().startswith("auto-replied")

    def field(self, name: str) -> str | None:
        """The decoded value of the first header field of this name, given in lower case."""
        return next((value for key, value in self.mail.headers if key.lower() == name), None)

    @property
    def key(self) -> str:
        """The same for the same message to the same recipient, however often it is sent."""
        known = self.mail.message_id or hashlib.sha256(self.content).hexdigest()
        return "\0".join((self.sender, self.envelope.envid or "", self.recipient, known))


def _decoded(xtext: str) -> str:
    """Decode xtext (RFC 3461 section 4), without anything that would break a line."""
    text = _XTEXT.sub(lambda found: chr(int(found[1], 16)), xtext)
    return "".join(char for char in text if char.isprintable())
