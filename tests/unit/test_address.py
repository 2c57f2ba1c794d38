"""What is one mailbox, what it means, and what is said about what isn't."""

import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.domain.address import Mailbox, parse_mailbox

ATEXT = "abcXYZ019!#$%&'*+/=?^_`{|}~-"


@pytest.mark.parametrize(
    ("text", "name", "addr"),
    [
        ("a@b.test", None, "a@b.test"),
        ("  a@b.test\t", None, "a@b.test"),
        ("<a@b.test>", None, "a@b.test"),
        ("Alice <a@b.test>", "Alice", "a@b.test"),
        ("John Q. Public <a@b.test>", "John Q. Public", "a@b.test"),
        ('"Doe, Jane" <a@b.test>', "Doe, Jane", "a@b.test"),
        (r'"the \"boss\" \\" <a@b.test>', 'the "boss" \\', "a@b.test"),
        ('"A" B "C D" <a@b.test>', "A B C D", "a@b.test"),
        ("Jürgen <j@b.test>", "Jürgen", "j@b.test"),
        ('"a b"@b.test', None, '"a b"@b.test'),
        ('"x@y"@b.test', None, '"x@y"@b.test'),
        ('"plain"@b.test', None, "plain@b.test"),
        (r'"\p\l.ain"@b.test', None, "pl.ain@b.test"),
        (r'"a\"b"@c.test', None, r'"a\"b"@c.test'),
        (r'"a\\b"@c.test', None, r'"a\\b"@c.test'),
        (r'"a\ b"@c.test', None, '"a b"@c.test'),
        ("a@[ipv6:2001:db8::2]", None, "a@[IPv6:2001:db8::2]"),
        ("a@[IPv6:::ffff:c000:201]", None, "a@[IPv6:::ffff:c000:201]"),
        ("CamelCase@EXAMPLE.Test", None, "CamelCase@example.test"),
        ("a@BÜCHER.de", None, "a@xn--bcher-kva.de"),
        ("a@xn--bcher-kva.de", None, "a@xn--bcher-kva.de"),
        ("a@ｅｘａｍｐｌｅ。test", None, "a@example.test"),
        ("a@localhost", None, "a@localhost"),
        ("a@[192.0.2.1]", None, "a@[192.0.2.1]"),
        ("a@[IPv6:2001:DB8::1]", None, "a@[IPv6:2001:db8::1]"),
        ("=?utf-8?q?J=C3=BC?= <a@b.test>", "=?utf-8?q?J=C3=BC?=", "a@b.test"),
    ],
)
def test_a_mailbox_is_read(text: str, name: str | None, addr: str) -> None:
    """Names lose their quotes, domains become lower-case A-labels, local parts stay as they are."""
    mailbox = parse_mailbox(text)

    assert (mailbox.name, mailbox.addr) == (name, addr)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("alice", "no @"),
        ("alice@", "nothing on one side"),
        ("@example.test", "nothing on one side"),
        ("a@b.test, c@d.test", "exactly one address"),
        ("a@b.test;c@d.test", "exactly one address"),
        ("Doe, Jane <a@b.test>", "into quotes"),
        ("a@b@c.test", "exactly one address"),
        ("<@relay.test:a@b.test>", "exactly one address"),
        ("friends: a@b.test;", "exactly one address"),
        ("a@b.test <c@d.test>", "into quotes"),
        ("a@b.test (Alice)", "comment"),
        ("<a@b.test", "angle brackets"),
        ("a@b.test>", "angle brackets"),
        ("a@b.test> <x", "angle brackets"),
        ('"Alice <a@b.test>', "without its partner"),
        ('"a" b" <a@b.test>', "without its partner"),
        ("Alice ( <a@b.test>", "comment"),
        ("Alice ) <a@b.test>", "comment"),
        ("Alice <.a@b.test>", "a dot at an end"),
        ("Alice <@b.test>", "nothing on one side"),
        ("a@[192.0.2.11", "is not an address|in brackets"),
        ("a@[IPv6:2001:db8::11", "is not an address|in brackets"),
        ('a"b@c.test', "without its partner"),
        ("Info: Shop <a@b.test>", "special character in the name"),
        ("a..b@c.test", "dot"),
        (".a@c.test", "dot"),
        ("a b@c.test", "is not an address"),
        ('""@c.test', "nothing before the @"),
        ("a@b_c.test", "no host name"),
        ("a@-b.test", "no host name"),
        ("a@b..test", "no host name"),
        ("a@b.test.", "no host name"),
        ("a@192.0.2.1", "number"),
        ("a@[192.0.2.999]", "in brackets"),
        ("a@[IPv6:fe80::1%eth0]", "in brackets"),
        ("a@i❤.test", "internationalised"),
        ("a@xn--zzzzzzz99.test", "internationalised"),
        ("a\u200b@b.test", "invisible"),
        ("a@b.test\r\nRCPT TO:<e@f.test>", "carriage return"),
        ("a@b.test\nBcc: e@f.test", "line feed"),
        ("a\0@b.test", "NUL"),
        ("a\u2028@b.test", "line separator"),
        ("\ud800@b.test", "half a character"),
        ("=?utf-8?q?x=0D=0ABcc:?= <a@b.test>", "hides a carriage return"),
        ("x" * 248 + "@b.test", "254 octets"),
        ("a.b.@c.test", "a dot at an end"),
        ("A <a.b.@c.test>", "a dot at an end"),
        ("a@" + "x." * 127 + "test", "255 octets"),
        ("x" * 64 + "@" + "x" * 60 + "." + ("y" * 60 + ".") * 2 + "test." + "z" * 10, "254 octets"),
        ("x" * 2000, "998 octets"),
        ("=?a?b?" * 100_000 + "<a@b.test>", "998 octets"),
    ],
)
def test_anything_but_one_mailbox_is_rejected_with_the_fix(text: str, said: str) -> None:
    """A reader that guesses can be made to mail somebody else."""
    with pytest.raises(ValueError, match=said) as refused:
        parse_mailbox(text)

    assert str(refused.value).startswith(("is ", "has ", "must ", "can't "))  # what stands behind a field's name


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    """Domains have an ASCII form, names are encoded (RFC 6531)."""
    assert parse_mailbox("jürgen@b.test").needs_smtputf8
    assert not parse_mailbox("Jürgen <j@bücher.test>").needs_smtputf8


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_is_a_mailbox_or_a_value_error(text: str) -> None:
    """Nothing else comes out, and what is accepted is fit for a command line."""
    try:
        mailbox = parse_mailbox(text)
    except ValueError:
        return

    assert mailbox.addr.isprintable()
    assert " " not in mailbox.domain


@given(name=st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=["Cc"]), max_size=30))
@settings(max_examples=200)
def test_a_formatted_mailbox_parses_to_itself(name: str) -> None:
    """``str`` writes what ``parse_mailbox`` reads, whatever the name."""
    mailbox = Mailbox(" ".join(name.split()) or None, "a", "b.test")

    assert parse_mailbox(str(mailbox)) == mailbox


@given(st.lists(st.text(ATEXT, min_size=1, max_size=10), min_size=1, max_size=4))
@settings(max_examples=100)
def test_every_dot_atom_is_a_local_part(atoms: list[str]) -> None:
    """RFC 5321 section 4.1.2, exactly as given."""
    local = ".".join(atoms)

    assert parse_mailbox(f"{local}@b.test") == Mailbox(None, local, "b.test")


@pytest.mark.parametrize(
    "text", ["a." * 2_000_000, "a" * 4_000_000 + "@b.test", "x <" + "a." * 2_000_000, '"' + "a" * 4_000_000]
)
def test_a_huge_invalid_address_is_rejected_without_much_memory(text: str) -> None:
    """Each character that a pattern may have to give back would take a hundred octets of it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="998 octets"):
        parse_mailbox(text)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
