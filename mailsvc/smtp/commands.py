"""The relay's capabilities, the commands to it, and what can't be sent to it."""

import re
from dataclasses import dataclass

import msgspec

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict

__all__ = ["Capabilities", "Submission", "mail_command", "rcpt_command", "why_not", "why_not_to"]

# Whatever could end a command or an address early must never get here (RFC 5321 section 4.1.2); blanks and angle
# brackets are harmless only inside a well-formed quoted local part.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_SPEAKABLE = re.compile(
    rf'[^{_CONTROLS} <>"\\]+|"(?:[^{_CONTROLS}"\\]|\\[^{_CONTROLS}])*"@[^{_CONTROLS} <>"\\]+',
)
_XTEXT = re.compile(r"[^!-*,-<>-~]")  # RFC 3461 section 4
_UNITEXT = re.compile(r"[\x00- +=\\\x7f]")  # RFC 6533 section 3
_DIGITS = re.compile(r"[0-9]{1,18}")


class Submission(msgspec.Struct, frozen=True, gc=False):
    """The transaction to carry out.

    Args:
        sender: the address of MAIL FROM; ``""`` is the null sender.
        content: the frozen wire bytes: CRLF, not dot-stuffed, without the final dot.
        envid: the envelope id for DSNs (RFC 3461 section 4.4).
        smtputf8: the content needs it; what the addresses need is seen from them.
        dsn: ask for notices of failure and delay where the relay offers DSN.
        notify_success: ask for one of success as well.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    envid: str | None = None
    smtputf8: bool = False
    eight_bit: bool = False
    notify_success: bool = False
    dsn: bool = True


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a relay offers (the lines of its EHLO reply)."""

    lines: tuple[str, ...]
    pipelining: bool
    size: int | None  # the largest message it takes, None where it doesn't say
    eight_bit: bool
    smtputf8: bool
    dsn: bool
    starttls: bool
    auth: frozenset[str]

    @classmethod
    def of(cls, reply: Reply) -> "Capabilities":
        """Read an EHLO reply (RFC 5321 section 4.1.1.1); the first line is the greeting."""
        lines = tuple(line.strip() for line in reply.text.split("\n")[1:] if line.strip())
        words: dict[str, list[str]] = {}
        for line in lines:
            # "AUTH=PLAIN LOGIN" is how some old servers still write it.
            keyword, *parameters = line.upper().replace("AUTH=", "AUTH ").split()
            words.setdefault(keyword, []).extend(parameters)
        size = words.get("SIZE", [])
        limit = int(size[0]) if size and _DIGITS.fullmatch(size[0]) else 0
        return cls(
            lines=lines,
            pipelining="PIPELINING" in words,
            size=limit or None,
            eight_bit="8BITMIME" in words,
            smtputf8="SMTPUTF8" in words,
            dsn="DSN" in words,
            starttls="STARTTLS" in words,
            auth=frozenset(words.get("AUTH", [])),
        )


def why_not(submission: Submission, capabilities: Capabilities) -> Verdict | None:
    """Why this relay can't take this submission for any recipient, known from its capabilities."""
    if capabilities.size is not None and len(submission.content) > capabilities.size:
        return _refusal(f"5.3.4 the message has {len(submission.content)} bytes, the relay takes {capabilities.size}")
    if (submission.smtputf8 or not submission.sender.isascii()) and not capabilities.smtputf8:
        return _refusal("5.6.7 the message needs SMTPUTF8, which the relay doesn't offer")
    if submission.eight_bit and not capabilities.eight_bit:
        return _refusal("5.6.3 the message needs 8BITMIME, which the relay doesn't offer")
    return None


def why_not_to(address: str, capabilities: Capabilities) -> Verdict | None:
    """Why this recipient can't be sent to this relay."""
    if address.isascii() or capabilities.smtputf8:
        return None
    return _refusal("5.6.7 the address needs SMTPUTF8, which the relay doesn't offer")


def _refusal(text: str) -> Verdict:
    return Verdict(Fate.BOUNCED, Stage.MAIL, None, text)


def mail_command(submission: Submission, capabilities: Capabilities) -> bytes:
    """MAIL FROM with its parameters.

    Raises:
        ValueError: the sender can't be said; nobody should have let it get here.
    """
    command = f"MAIL FROM:<{_checked(submission.sender) if submission.sender else ''}>"
    if capabilities.size is not None:
        command += f" SIZE={len(submission.content)}"
    if submission.eight_bit:
        command += " BODY=8BITMIME"
    if capabilities.smtputf8 and (
        submission.smtputf8 or not submission.sender.isascii() or not all(map(str.isascii, submission.recipients))
    ):
        command += " SMTPUTF8"
    if submission.dsn and capabilities.dsn:
        command += " RET=HDRS"
        if submission.envid:
            command += f" ENVID={_xtext(submission.envid)}"
    return f"{command}\r\n".encode()


def rcpt_command(address: str, submission: Submission, capabilities: Capabilities) -> bytes:
    """RCPT TO with its parameters.

    Raises:
        ValueError: the address can't be said.
    """
    command = f"RCPT TO:<{_checked(address)}>"
    if submission.dsn and capabilities.dsn:
        success = "SUCCESS," if submission.notify_success else ""
        original = f"rfc822;{_xtext(address)}" if address.isascii() else f"utf-8;{_unitext(address)}"
        command += f" NOTIFY={success}FAILURE,DELAY ORCPT={original}"
    return f"{command}\r\n".encode()


def _checked(address: str) -> str:
    if not _SPEAKABLE.fullmatch(address):
        raise ValueError(f"not an address that can be said to a relay: {address!r}")
    return address


def _xtext(text: str) -> str:
    return _XTEXT.sub(lambda m: "".join(f"+{byte:02X}" for byte in m[0].encode()), text)


def _unitext(address: str) -> str:
    return _UNITEXT.sub(lambda m: f"\\x{{{ord(m[0]):02X}}}", address)
