"""What is said to a relay: capabilities understood, commands spelt, and what can't be said at all."""

import re
from dataclasses import dataclass

import msgspec

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict

__all__ = ["Capabilities", "Submission", "mail_command", "rcpt_command", "why_not"]

# Whatever could end a command or an address early must never get here (RFC 5321 section 4.1.2).
_UNSPEAKABLE = re.compile(r"[\x00-\x20\x7f<>]")
_XTEXT = re.compile(r"[^!-*,-<>-~]")


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One transaction to be.

    Args:
        sender: the address of MAIL FROM; ``""`` is the null sender.
        content: the frozen wire bytes: CRLF, not dot-stuffed, without the final dot.
        envid: the envelope id for DSNs (RFC 3461 section 4.4).
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
            keyword, *parameters = line.replace("AUTH=", "AUTH ").upper().split()
            words.setdefault(keyword, []).extend(parameters)
        size = words.get("SIZE", [])
        limit = int(size[0]) if size and size[0].isdigit() else 0
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
    """Why this relay can't take this submission, known without asking."""
    if capabilities.size is not None and len(submission.content) > capabilities.size:
        return _refusal(f"5.3.4 the message has {len(submission.content)} bytes, the relay takes {capabilities.size}")
    if submission.smtputf8 and not capabilities.smtputf8:
        return _refusal("5.6.7 the address needs SMTPUTF8, which the relay doesn't offer")
    if submission.eight_bit and not capabilities.eight_bit:
        return _refusal("5.6.3 the message needs 8BITMIME, which the relay doesn't offer")
    return None


def _refusal(text: str) -> Verdict:
    return Verdict(Fate.BOUNCED, Stage.MAIL, None, text)


def mail_command(submission: Submission, capabilities: Capabilities) -> bytes:
    """MAIL FROM with its parameters."""
    words = [f"MAIL FROM:<{_checked(submission.sender)}>"]
    if capabilities.size is not None:
        words.append(f"SIZE={len(submission.content)}")
    if submission.eight_bit:
        words.append("BODY=8BITMIME")
    if submission.smtputf8:
        words.append("SMTPUTF8")
    if submission.dsn and capabilities.dsn:
        words.append("RET=HDRS")
        if submission.envid:
            words.append(f"ENVID={_xtext(submission.envid)}")
    return (" ".join(words) + "\r\n").encode()


def rcpt_command(address: str, submission: Submission, capabilities: Capabilities) -> bytes:
    """RCPT TO with its parameters."""
    words = [f"RCPT TO:<{_checked(address)}>"]
    if submission.dsn and capabilities.dsn:
        success = "SUCCESS," if submission.notify_success else ""
        kind = "rfc822" if address.isascii() else "utf-8"
        words += [f"NOTIFY={success}FAILURE,DELAY", f"ORCPT={kind};{_xtext(address)}"]
    return (" ".join(words) + "\r\n").encode()


def _checked(address: str) -> str:
    if _UNSPEAKABLE.search(address):
        raise ValueError(f"an address with a control character, space or angle bracket: {address!r}")
    return address


def _xtext(text: str) -> str:
    """RFC 3461 section 4; for utf-8 addresses RFC 6533's form leaves other letters as they are."""
    return _XTEXT.sub(lambda m: m[0] if ord(m[0]) > 127 else f"+{ord(m[0]):02X}", text)
