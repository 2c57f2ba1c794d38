"""Text for headers and bodies: what is refused in either, and what encoded words hide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.domain.fieldtext import body_flaw, crlf, decode_words, field_flaw, printable, surrogate_flaw


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\0b", "NUL (U+0000)"),
        ("a\nb", "a line feed (U+000A)"),
        ("a\rb", "a carriage return (U+000D)"),
        ("a\x85b", "a line break (U+0085)"),
        ("a\u2028b", "a line separator (U+2028)"),
        ("a\u2029b", "the control character (U+2029)"),
        ("a\x1bb", "the control character (U+001B)"),
        ("a\x7fb", "the control character (U+007F)"),
        ("a\ud800b", "half a character (the lone surrogate U+D800)"),
        ("a\udfffb", "half a character (the lone surrogate U+DFFF)"),
    ],
)
def test_a_character_that_no_header_may_have_is_named(text: str, named: str) -> None:
    """By its number, since it can't be seen."""
    assert field_flaw(text) == f"must not contain {named}; remove it"
    assert printable(text) == "a\ufffdb"


@pytest.mark.parametrize("text", ["", "plain", "a\tb", "Grüße", "\u200d \u00a0 \U0001f44b", "=", "?=", "=?=", "a =? b"])
def test_any_other_text_may_be_a_header(text: str) -> None:
    assert (field_flaw(text), printable(text)) == (None, text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("x" * 998, True), ("x" * 999, False), ("é" * 499, True), ("é" * 500, False), ("x" * 997 + "é", False)],
)
def test_a_header_has_998_octets_at_most(text: str, is_one: bool) -> None:
    """RFC 5322 section 2.1.1."""
    assert (field_flaw(text) is None) == is_one


def test_the_limit_may_be_another() -> None:
    assert field_flaw("x" * 2000, most=2000) is None
    assert field_flaw("x" * 2001, most=2000) == "is longer than 2000 octets; shorten it"


@pytest.mark.parametrize(("length", "is_one"), [(4000, True), (4001, False)])
def test_encoded_words_are_looked_for_in_4000_characters(length: int, is_one: bool) -> None:
    """To look takes the square of the length."""
    text = "=?" + "x" * (length - 2)

    assert (field_flaw(text, most=5000) is None) == is_one
    word = "=?ascii?q?a?="
    assert decode_words(word.rjust(length)).strip() == ("a" if is_one else word)


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?Q?a_b?=", "a b"),
        ("=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),  # without its padding
        ("=?iso-8859-1*de?q?=E9?=", "é"),  # RFC 2231's language
        ("=?ascii?q?a?= =?ascii?q?b?=", "ab"),  # white space between two words is none (RFC 2047 section 6.2)
        ("=?ascii?q?a?= x =?ascii?q?b?=", "a x b"),
        ("x =?ascii?q?a?= y", "x a y"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),  # a character cut in two
        ("=?utf-8?q?=C3?= =?latin1?q?=A9?=", "\ufffd©"),  # of two charsets it is none
        ("=?unknown?q?=E9?=", "é"),
        ("=?utf-8*de?q?=C3=A9?=", "é"),
        ("=?utf-8?q?=C3=A9?= x =?ascii?q?b?=", "é x b"),
        ("=?ascii?q?a?= x =?utf-8?q?b?= y =?ascii?q?c?=", "a x b y c"),
        ("=??q?=E9?=", "\ufffd"),  # no charset is ASCII
        ("=?ascii?b?a?=", ""),
        ("=?utf-8?q?\ud800?=", "?"),
        ("=??q?a?=", "a"),
        ("=?ascii?b?!?=", ""),
        ("=?ascii?x?a?=", "=?ascii?x?a?="),
        ("=?ascii?q?a", "=?ascii?q?a"),
    ],
)
def test_encoded_words_are_read_as_lenient_readers_do(text: str, decoded: str) -> None:
    """What the most lenient one would see is what has to be safe."""
    assert decode_words(text) == decoded


@given(st.text(alphabet="=?bq utf-8_A\n=", max_size=60))
def test_any_text_can_be_decoded(text: str) -> None:
    """Never an exception, and nothing but words is changed."""
    decoded = decode_words(text)

    assert decoded == text or "=?" in text


@pytest.mark.parametrize(
    ("text", "named"),
    [("a\0", "NUL (U+0000)"), ("é\ud800", "half a character (the lone surrogate U+D800)")],
)
def test_what_no_body_may_have_is_named(text: str, named: str) -> None:
    assert f"must not contain {named}" in (body_flaw(text) or "")


@pytest.mark.parametrize("text", ["", "plain", "Grüße \U0001f44b", "\x1b\f\u2028"])
def test_any_other_text_may_be_a_body(text: str) -> None:
    assert (body_flaw(text), surrogate_flaw(text)) == (None, None)


@given(st.text(alphabet="a\r\n"))
def test_all_line_breaks_become_crlf(text: str) -> None:
    """As many as there were, whichever way they were written."""
    made = crlf(text)

    assert made.replace("\r\n", "").isalpha() or not made.replace("\r\n", "")
    assert made.split("\r\n") == text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
