"""Knows the elements in which mail programs put quotations and signatures, by the names that they give them."""

import enum
import re
from dataclasses import dataclass

__all__ = ["OpenRoles", "Role"]

_NAMING = re.compile(
    r"""\b(class|id|name|type|data-marker|data-smartmail)\s{0,9}=\s{0,9}(?:"([^"]{0,500})"|'([^']{0,500})'|([^\s"'>]{1,100}))""",
    re.IGNORECASE,
)
_MAX_DEPTH = 200  # of elements with a role
_MAX_ATTRIBUTES = 4000  # characters that are looked at
_NAMED = frozenset(["article", "blockquote", "div", "hr", "pre", "section", "span", "table"])


class Role(enum.IntEnum):
    """What the text of an element is to the reader."""

    NONE = 0
    INDENTED = 1  # in a block quotation that no mail program has named
    ATTRIBUTION = 2  # says who wrote what is quoted below
    QUOTED = 3
    REST = 4  # from here on everything is quoted
    SIGNATURE = 5


# Names as mail programs write them, in lower case; one of several words is enough.
_ROLES: dict[str, Role] = {
    # Gmail puts answers between quotations into ``gmail_quote``, too: only its block quotations are quoted.
    "gmail_attr": Role.ATTRIBUTION,
    "moz-cite-prefix": Role.ATTRIBUTION,
    "moz-email-headers-table": Role.ATTRIBUTION,
    "reply-intro": Role.ATTRIBUTION,  # Roundcube
    "yahoo_quoted": Role.QUOTED,
    "protonmail_quote": Role.QUOTED,
    "tutanota_quote": Role.QUOTED,
    "zmail_extra": Role.QUOTED,  # Zoho
    "ox-quote": Role.QUOTED,
    "front-blockquote": Role.QUOTED,
    "freshdesk_quote": Role.QUOTED,
    "hs_reply": Role.QUOTED,  # HubSpot
    "quoted_text": Role.QUOTED,
    "quoted-text": Role.QUOTED,
    "quoted": Role.QUOTED,
    "quote": Role.QUOTED,  # GMX and web.de, by ``name``
    "quotedmessage": Role.QUOTED,
    "replycontent": Role.QUOTED,
    "isreplycontent": Role.QUOTED,  # 163.com
    "qqmail_reply": Role.QUOTED,
    "ntes-mailmaster-quote": Role.QUOTED,
    "olk_src_body_section": Role.QUOTED,  # Outlook for Mac
    "mail-editor-reference-message-container": Role.QUOTED,  # Outlook
    "ms-outlook-mobile-reference-message": Role.QUOTED,
    "outlookmessageheader": Role.REST,
    "divrplyfwdmsg": Role.REST,
    "appendonsend": Role.REST,
    "stopspelling": Role.REST,  # Hotmail
    "zwchr": Role.REST,  # Zimbra
    "__divider__": Role.REST,
    "gmail_signature": Role.SIGNATURE,
    "gmail_signature_prefix": Role.SIGNATURE,
    "moz-signature": Role.SIGNATURE,
    "applemailsignature": Role.SIGNATURE,
    "linebreakatbeginningofsignature": Role.SIGNATURE,
    "ms-outlook-mobile-signature": Role.SIGNATURE,
    "protonmail_signature_block": Role.SIGNATURE,
    "tutanota_signature": Role.SIGNATURE,
    "signature": Role.SIGNATURE,  # Outlook on the web
    "yahoo-signature": Role.SIGNATURE,
    "io-ox-signature": Role.SIGNATURE,
    "bloop_markup_signature": Role.SIGNATURE,
    "mobile-signature": Role.SIGNATURE,
    "hs_signature": Role.SIGNATURE,
}
_QUOTATIONS = frozenset(
    ["cite", "gmail_quote", "yahoo_quoted", "protonmail_quote", "zimbra_quote"]
)  # of ``blockquote``
# Text in the same element as a name that Outlook adds to names when such a mail is answered.
_REPEATED = "x_"


class OpenRoles:
    """The elements with a role that are open at a place of the page."""

    def __init__(self) -> None:
        self.current = Role.NONE
        self._open: list[_OpenElement] = []

    def tag(self, name: str, attributes: str, *, is_end: bool) -> bool:
        """Take in a tag; return whether the role changed."""
        if name not in _NAMED or self.current == Role.REST:
            return False
        before = self.current
        if is_end:
            self._close(name)
        else:
            self._enter(name, _role_of(name, attributes))
        return self.current != before

    def _enter(self, name: str, role: Role) -> None:
        if role == Role.REST:
            self.current = role
        elif role and name != "hr" and len(self._open) < _MAX_DEPTH:
            self._open.append(_OpenElement(name, self.current))
            self.current = Role.QUOTED if self.current == Role.QUOTED else role
        elif self._open and self._open[-1].name == name:
            self._open[-1].count += 1

    def _close(self, name: str) -> None:
        if self._open and self._open[-1].name == name:
            self._open[-1].count -= 1
            if not self._open[-1].count:
                self.current = self._open.pop().outside


@dataclass(slots=True)
class _OpenElement:
    name: str
    outside: Role  # of what is around it
    count: int = 1  # of open elements with this name, the ones inside it included


def _role_of(element: str, attributes: str) -> Role:
    role = Role.INDENTED if element == "blockquote" else Role.NONE
    if "=" not in attributes:
        return role
    for match in _NAMING.finditer(attributes[:_MAX_ATTRIBUTES]):
        value = (match[2] or match[3] or match[4] or "").lower()
        named = [_named(element, match[1].lower(), name.removeprefix(_REPEATED)) for name in value.split()]
        role = max([role, *named])
    return role


def _named(element: str, attribute: str, name: str) -> Role:
    if element == "blockquote" and name in _QUOTATIONS:
        return Role.QUOTED
    # Such common words count only where mail programs put them.
    if (name == "quote" and attribute != "name") or (name == "signature" and attribute != "id"):
        return Role.NONE
    return _ROLES.get(name, Role.NONE)
