"""Mailboxes in URLs: what is left out, and what is wrong without the password in the sentence."""

from typing import Any

import pytest

from mailsvc.settings import parse_mailbox_url
from mailsvc.settings.mailbox_url import parse_mailbox_urls
from mailsvc.settings.values import BadSetting


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("imaps://jane:pw@mail.test", 993),
        ("imap://jane:pw@mail.test", 143),
        ("pop3s://jane:pw@mail.test", 995),
        ("pop3://jane:pw@mail.test", 110),
        ("imap://jane:pw@mail.test?tls=implicit", 993),
        ("imaps://jane:pw@mail.test?tls=starttls", 143),
        ("pop3://jane:pw@mail.test?tls=implicit", 995),
        ("imaps://jane:pw@mail.test?tls=none", 143),
        ("imap://jane:pw@mail.test:1143?tls=implicit", 1143),
    ],
)
def test_the_port_follows_from_the_protocol_and_its_protection(url: str, port: int) -> None:
    assert parse_mailbox_url(url)["port"] == port


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("imaps://jane:pw@Mail.test.", {"host": "mail.test", "folder": "INBOX", "name": "jane@mail.test/INBOX"}),
        ("imaps://a%40b:p%3Aw@mail.test/Entw%C3%BCrfe/a%20b", {"username": "a@b", "password": "p:w"}),
        ("imaps://a%40b:pw@mail.test/Entw%C3%BCrfe/a%20b", {"name": "a@b@mail.test/Entwürfe/a b"}),
        ("imaps://jane:pw@mail.test?after=move:%5BGmail%5D/Done&name=support", {"after": "move:[Gmail]/Done"}),
        ("imaps://jane:pw@[::1]", {"host": "::1"}),
    ],
)
def test_each_part_is_decoded(url: str, fields: dict[str, Any]) -> None:
    assert parse_mailbox_url(url).items() >= fields.items()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("imaps://jane:s3/cret@mail.test", "@"),
        ("imaps://jane:s3?cret@mail.test", "user name"),
        ("imaps://jane:s3#cret@mail.test", "@"),
        ("imaps://jane:s3%cret@mail.test", "%"),
        ("imaps://jane:s3[cret@mail.test", "parts"),
        ("imaps://:s3cret@mail.test", "user name"),
        ("imaps://jane:s3cret@mail.test:0", "port"),
        ("imaps://jane:s3cret@mail.test/%FF", "UTF-8"),
        ("imaps://jane:s3cret@mail.test?poll_interval=s3cret", "poll_interval="),
        ("imaps://jane:s3cret@mail.test?poll_intervall=1", "poll_interval="),
        ("imaps://jane:s3cret@mail.test?first_read=s3cret", "first_read="),
        ("imaps://jane:s3cret@mail.test?s3cret=1", "option"),
        ("imaps://jane:s3cret@mail.test?ca=/nowhere", "ca="),
        ("http://jane:s3cret@mail.test", "imaps://"),
        ("imaps://a:pw@mail.test imaps://jane:s3cret@mail.test?tls=s3cret", "URL 2"),
        ("imaps://jane:s3cret@mail.test imaps://jane:s3cret@mail.test/INBOX", "twice"),
    ],
)
def test_what_is_wrong_is_named_without_the_password(url: str, part: str) -> None:
    with pytest.raises(BadSetting) as raised:
        parse_mailbox_urls(url)

    assert part in str(raised.value)
    assert "s3" not in str(raised.value)
    assert "cret" not in str(raised.value)
