"""The forms of notices. Data: a new form is one row here, and one row in ``tests/support/notices.py``.

Rows are tried from top to bottom; the first that finds a recipient decides.
"""

from mailsvc.understand.reports.notices.phrases import LIST_FOLLOWS
from mailsvc.understand.reports.notices.shape import ADDRESS, BEGINS_LINE, ENDS, shape

__all__ = ["BY_ANYONE", "LISTS", "SHAPES", "VAGUE"]

_LINES = BEGINS_LINE + ADDRESS + ENDS
_NOT_REACHED = r"did not reach the following recipient\(s\)"
_LABEL = (
    r"^[ \t>*-]{0,20}(?:(?:failed|final|original|undeliverable|intended|bad|invalid)[ -])?"
    r"(?:recipients?|rcpt|address(?:ee)?|e-?mail(?: address)?|mailbox|user(?:id)?|destination"
    r"|empfänger(?:adresse)?|destinataire|destinatario|destinatário|indirizzo|ontvanger|получатель|adresse"
    r"|宛先|あて先|受信者|收件人(?:地址)?|收件者|收信人)"
    r"(?:\(s\)| address)?[ \t]*[:：=][ \t]*(?:\[?smtp:|rfc822;|mailto:)?[<\"'\[]{0,2}"
)
_SENT = r"(?:deliver(?:ed|ing|y)?|sen[dt](?:ing)?|reach(?:ed)?|message|mail|e-?mail)"
_FAULT = r"(?:unknown|no such|invalid|bad|full|quota|violation|failed|attempts|undeliverable|rejected|problem with)"
_FAILS = (
    r"(?:could|can(?:not|['’]t)|was|is|has|does|doesn['’]t|not|failed|wasn['’]t|couldn['’]t|isn['’]t"
    r"|konnte|n['’]a|no |não|non|не|nie|は|へ|宛|に)"
)

# Nobody else writes these words, so that the sender need not be known as a mail system.
BY_ANYONE = (
    shape("non-delivery report", r"^-{3} Non-Delivery Report -{3}$", r"^[^\n<]{0,80}<" + ADDRESS),
    shape("verizon", r"^Message details:\n {2}Subject: ", r"^ {2}RCPT TO: " + ADDRESS),
)

SHAPES = (
    *BY_ANYONE,
    # An alias hides the address, or the address is damaged.
    shape("exim, undisclosed", r"^ {2}an undisclosed address$", r"^\s{2,8}\((?:ultimately )?generated from " + ADDRESS),
    shape("exim, malformed", r"recipient addresses that were\s+incorrectly constructed", r"<" + ADDRESS + r">: "),
    shape("exchange, x400", _NOT_REACHED, r"SMTP=([^\s;@=]{1,64}@[\w.-]{3,255}?)(?=[;,]? on )"),
    shape("exchange 2003", _NOT_REACHED, r"^[ \t]*" + ADDRESS + r"(?=[;,]? on )"),
    shape(
        "postfix",
        r"(?:postfix|mail system|problem report)[^\n]{0,80}\n(?:[^<\n][^\n]*\n|\n){0,40}(?=<[^\n>@]{1,64}@[^\n>]{1,255}>[^\n]{0,80}:)",
        r"^<" + ADDRESS + r">(?: \([^)]{0,300}\))?:",
    ),
    shape("qmail", r"^(?=<[^\n>@]{1,64}@[^\n>]{1,255}>: ?$)", r"^<" + ADDRESS + r">: ?$"),
    shape(
        "sendmail, transcript",
        r"Transcript of session follows",
        r"^(?:[45]\d\d )?(?:[45]\.\d\.\d )?<?" + ADDRESS + r">?\.\.\. ",
        is_on_line=True,
    ),
    shape("list", LIST_FOLLOWS, _LINES),
    shape("label", _LABEL + ADDRESS),
    shape("lines", None, _LINES),
)

# Sentences of any mail system. The addresses of the sender and of help desks stand in such sentences, too.
VAGUE = (
    shape(
        "message to",
        _SENT
        + r"(?: your| the| this| following| e-?mail| mail| message){0,4} (?:to|for)(?: the)?(?: following)?(?: \w{1,20}){0,3}?:?\s{1,12}[<\"'(]{0,2}"
        + ADDRESS,
    ),
    shape("unknown user", _FAULT + r"[^\n@]{0,40}?[:\s]{1,4}[<\"'(]{0,2}" + ADDRESS),
    shape("user is", ADDRESS + r"[>\"')]{0,2}[^\n@]{0,12}\s" + _FAILS),
    shape("command", r"RCPT TO: ?<?" + ADDRESS),
    shape("any", None, r"[<\s\"'(:：（「]" + ADDRESS),
)

# Those that tell whose words are whose where the recipients are known.
LISTS = tuple(form for form in SHAPES if form.name in ("postfix", "qmail", "list", "label", "lines"))
