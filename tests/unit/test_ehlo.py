"""What may be said in EHLO, and what this host is called by default."""

import pytest

from mailsvc.domain.ehlo import address_literal, is_ehlo_name, is_full_name


@pytest.mark.parametrize(
    ("name", "is_full", "may_be_said"),
    [
        ("app.example.test",             True,  True),
        ("a.b",                          True,  True),
        ("APP.Example.Test",             True,  True),
        ("a" * 63 + ".test",             True,  True),
        ("x." * 125 + "abc",             True,  True),   # 253 characters
        ("x." * 125 + "abcd",            False, False),
        ("app",                          False, True),   # known to nobody else, but said where it is configured
        ("localhost",                    False, True),
        ("localhost.localdomain",        False, True),
        ("pod-7d9f.local",               False, True),
        ("db.internal",                  False, True),
        ("nas.lan",                      False, True),
        ("app.LOCALHOST",                False, True),
        ("a" * 64 + ".test",             False, False),
        ("under_score.example.test",     False, False),
        ("-app.example.test",            False, False),
        ("app-.example.test",            False, False),
        ("app..example.test",            False, False),
        ("app.example.test.",            False, False),
        ("192.0.2.1",                    False, False),  # an address stands in brackets
        ("app.42",                       False, False),
        ("app.example.test\r\nMAIL",     False, False),
        ("é.test",                       False, False),
        ("",                             False, False),
        ("[192.0.2.1]",                  False, True),
        ("[IPv6:2001:db8::1]",           False, True),
        ("[2001:db8::1]",                False, False),
        ("[IPv6:2001:DB8::1]",           False, False),  # not as it would be written by us
        ("[192.0.2.1",                   False, False),
        ("[IPv6:192.0.2.1]",             False, False),
        ("[app.example.test]",           False, False),
    ],
)  # fmt: skip
def test_a_name_for_ehlo(name: str, is_full: bool, may_be_said: bool) -> None:
    """RFC 5321 section 4.1.2 and 4.1.3."""
    assert (is_full_name(name), is_ehlo_name(name)) == (is_full, may_be_said)


@pytest.mark.parametrize(
    ("address", "literal"),
    [
        ("192.0.2.1", "[192.0.2.1]"),
        ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ("fe80::1%eth0", "[IPv6:fe80::1]"),
    ],
)
def test_an_address_is_said_as_a_literal(address: str, literal: str) -> None:
    assert address_literal(address) == literal
    assert is_ehlo_name(literal)


def test_a_name_makes_no_literal() -> None:
    with pytest.raises(ValueError):
        address_literal("app.example.test")
