"""Finds where a notice ends and the message that it returns begins, in one text."""

import re

__all__ = ["MAX_NOTICE", "returned_header", "split_notice"]

MAX_NOTICE = 16 * 1024  # characters; what is behind them is no notice any more

_ORIGINAL = (
    r"(?:this is |here is |below (?:this line )?is |included is |attached is |following is )?(?:a |the )?(?:copy|header|beginning|text|first \d+ lines|summary)"
    r" (?:of|from|lines of) (?:the |your )?(?:original |undelivered |returned |failed )?(?:message|mail|e-?mail|headers?)"
    r"|(?:the |your )?(?:original|returned|unsent|undelivered|rejected|bounced|failed|old) (?:message|mail|e-?mail)(?: (?:text|header|headers|body|content|below|follows?|as follows|attached))?(?! (?:was|has|could|is|to|sent|from)\b)"
    r"|(?:the )?(?:message|mail)(?:'s)? (?:header|headers|text|body|contents?)(?: (?:and|or) [^\n]{1,40})? (?:follows?|is|are)"
    r"|(?:the )?headers? (?:and|of)[^\n]{1,50}follows?|below (?:this line )?is (?:a )?copy|message follows"
    r"|-- the header and top"
    r"|ursprüngliche (?:nachricht|mail)|originalnachricht|message d['’]origine|message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|исходное сообщение|заголовки исходного"
    r"|元のメッセージ|元のメール|以下は(?:お送り|送信)|原始邮件|原邮件|原信|附件中的内容是原|原始郵件"
)
_MARKER = re.compile(rf"^[ \t>|*=#_~.:(\[-]{{0,40}}(?:{_ORIGINAL})[^\n]{{0,60}}$", re.IGNORECASE | re.MULTILINE)
# Fields that notices do not use for themselves.
_HEADER = re.compile(
    r"^(?:> ?)?(?:Received: ?(?:from|by|\()|Return-Path: ?<|DKIM-Signature: |X-Received: |ARC-Seal: |DomainKey-Signature: |X-Google-DKIM)",
    re.MULTILINE,
)
_NAME = re.compile(r"(?:> ?)?[A-Za-z][A-Za-z-]{1,40}:")
_FIELD = re.compile(r"^(?:> ?)?(?:message-id|received|return-path|mime-version)[ \t]*:", re.IGNORECASE | re.MULTILINE)


def returned_header(rest: str) -> bytes:
    """Return the header of the returned message, from what is behind a notice."""
    lines = rest.lstrip("\n").split("\n")
    if lines and not _NAME.match(lines[0]):
        lines = "\n".join(lines[1:]).lstrip("\n- ").split("\n")
    block = "\n".join(line.removeprefix("> ") for line in lines)
    return block.partition("\n\n")[0].encode("utf-8", "replace")


def split_notice(text: str) -> tuple[str, str]:
    """Return the notice, and the message that it returns; that is empty if there is none."""
    text = text[: 2 * MAX_NOTICE]
    at = _first_marker(text)
    header = _HEADER.search(text, 1)
    if header and (at is None or header.start() < at):
        at = header.start()
    if at is None:
        return text[:MAX_NOTICE], ""
    return text[:at][:MAX_NOTICE], text[at:]


def _first_marker(text: str) -> int | None:
    """A marker counts if something is before it and not after: headings of notices use the same words."""
    for marker in _MARKER.finditer(text):
        if text[: marker.start()].strip() and (_FIELD.search(text, marker.end()) or _is_last(text, marker)):
            return marker.start()
    return None


def _is_last(text: str, marker: re.Match[str]) -> bool:
    """Whether little follows, or a ruled line announces what follows."""
    line = marker[0].strip()
    return line.startswith(("--", "==", "__", "**")) or (
        line.endswith((":", "--", ".", "follows")) and "@" not in text[marker.end() :]
    )
