"""The mails that every system under measure sends: 5 KB of text and HTML, as JSON or finished."""

import json
from email.message import EmailMessage
from functools import lru_cache

SENDER = "Shop <orders@app.test>"
SENDER_ADDRESS = "orders@app.test"

_LINE = "Thank you for your order, we have it and send it today: {n} x a thing that you will like very much.\n"
TEXT = "Dear customer,\n\n" + "".join(_LINE.format(n=n) for n in range(15))
HTML = (
    "<!doctype html><html><body><h1>Your order</h1><table>"
    + "".join(
        f"<tr><td>{n}</td><td>A thing that you will like very much indeed</td><td>{n}.95</td></tr>" for n in range(36)
    )
    + "</table></body></html>"
)
SMALL_TEXT = "Your code is 123456."
_NUMBER = b"XNUMBERX"


def fields(number: int) -> dict[str, object]:
    """One mail in the words of mailsvc's API; the peers' scripts translate them."""
    return {"from": SENDER, "to": [recipient(number)], "subject": f"Your order {number}", "text": TEXT, "html": HTML}


def recipient(number: int) -> str:
    """Every mail goes to an address of its own."""
    return f"customer{number}@example.test"


def json_body(number: int) -> bytes:
    """``fields`` as JSON."""
    return _json_template().replace(_NUMBER, b"%d" % number)


def small_json_body(number: int) -> bytes:
    """A login code: the smallest mail that people send."""
    return _small_template().replace(_NUMBER, b"%d" % number)


def batch_body(bodies: list[bytes]) -> bytes:
    """A request of ``POST /v1/messages/batch``."""
    return b'{"messages":[' + b",".join(bodies) + b"]}"


def wire(number: int) -> bytes:
    """The finished mail, for peers that take SMTP: CRLF, no leading dots, with a Message-ID of its own."""
    return _wire_template().replace(_NUMBER, b"%d" % number)


def _template(text: str, html: str | None) -> bytes:
    mark = _NUMBER.decode()
    message = {"from": SENDER, "to": [f"customer{mark}@example.test"], "subject": f"Your order {mark}", "text": text}
    if html is not None:
        message["html"] = html
    return json.dumps(message).encode()


@lru_cache(maxsize=1)
def _json_template() -> bytes:
    return _template(TEXT, HTML)


@lru_cache(maxsize=1)
def _small_template() -> bytes:
    return _template(SMALL_TEXT, None)


@lru_cache(maxsize=1)
def _wire_template() -> bytes:
    message = EmailMessage()
    mark = _NUMBER.decode()
    message["From"], message["To"] = SENDER, f"customer{mark}@example.test"
    message["Subject"] = f"Your order {mark}"
    message["Date"] = "Mon, 05 Jan 2026 12:00:00 +0000"
    message["Message-ID"] = f"<{mark}@bench.app.test>"
    message.set_content(TEXT)
    message.add_alternative(HTML, subtype="html")
    data = message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return data.replace(b"\r\n.", b"\r\n..")
