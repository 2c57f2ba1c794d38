"""Which pictures an HTML text refers to, however it is written, and however broken it is."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.mime.contentids import content_ids_in

LOGO = frozenset({"logo@app"})


@pytest.mark.parametrize(
    "html",
    [
        "<img src=\"cid:logo@app\"><img src='cid:logo@app'/>",
        "<img src=cid:logo@app alt=x>",
        "<IMG\n\tSRC = 'CID:logo@app'>",
        "<img/src='cid:logo@app'/alt=x>",
        "<img alt='>' src='cid:logo@app'>",
        "<img src='c\tid:lo\r\ngo@app'>",
        "<img src='&#x63;id&colon;logo&commat;app'>",
        "<img src='Cid:%6Cogo%40app'>",
        "<image xlink:href='cid:logo@app' />",
        "<v:imagedata o:href='cid:logo@app'/>",
        "<source srcset='a.png 1x,cid:logo@app 2x'>",
        "<td style='background: URL( &quot;cid:logo@app&quot; )'>",
        "<style>/* x */ a { background: url('cid:logo@app') }</style>",
        '<style>@import "cid:logo@app";',
        "<style>a{background:image-set('b.png' 1x, 'cid:logo@app' 2x)}</style>",
        "<![if !mso]><img src='cid:logo@app'><![endif]>",
        "<!--[if gte mso 9]><v:fill src='cid:logo@app'/><![endif]-->",
        "<!--[if !mso]><!--><img src='cid:logo@app'><!--<![endif]-->",
        "<!-- a --><!--><img src='cid:logo@app'>",
        "a < b <img src='cid:logo@app'>",
        "<![foo[x]]><img src='cid:logo@app'>",
        "<title>a</TITLE ><img src='cid:logo@app'>",
    ],
)
def test_a_reference_is_found_in_every_spelling(html: str) -> None:
    """As browsers read HTML, CSS and URLs."""
    assert content_ids_in(html) & {"logo@app", "logo", "app"} == LOGO


@pytest.mark.parametrize(
    "html",
    [
        "cid:logo@app",
        "<img alt='cid:logo@app' title=cid:logo@app>",
        "<img src='x' data-src='cid:logo@app'>",
        "<!-- <img src='cid:logo@app'> -->",
        "<!-- see [1]> <img src='cid:logo@app'> -->",
        "<style>/* url(cid:logo@app) */ a { background: url(acid:logo@app) }</style>",
        "<title><img src='cid:logo@app'></title>",
        "<script>'<img src=\"cid:logo@app\">'</script>",
        "<img src='cid:logo@app'",
        "<img src='cid:logo@app>",
        "</p src='cid:logo@app'>",
    ],
)
def test_text_that_displays_nothing_is_no_reference(html: str) -> None:
    """Text, comments, and tags that never end."""
    assert content_ids_in(html) == frozenset()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    ["<!--", "<a ", "<![", "<!", "</", "<a b='", "<style>", "<a\t", "<?", "<!--[if ", "<!--[if x]>", "<a b=c ", "<a ' "]
    + ["<a style='/*", "<style>/*", "<style>url(", "<img src='&#", "<img srcset='cid:a,", "<style>\\", "<img src='x'>"],
)
def test_malformed_html_is_read_in_linear_time(piece: str) -> None:
    """It is looked at while others wait; a reader that goes back at each mistake would take hours for this."""
    content_ids_in(piece * 100_000)


@pytest.mark.parametrize(
    "html", ["<img src='&#" + "9" * 5000 + ";cid:a'>", "<img src='cid:%ff%00'>", "<style>\\ffffff \\d800"]
)
def test_references_to_invalid_characters_raise_nothing(html: str) -> None:
    """Numbers of more digits than Python reads, halves of characters, octets that are not UTF-8."""
    content_ids_in(html)


MARKUP = [
    "<",
    ">",
    "'",
    '"',
    "=",
    " ",
    "/",
    "!",
    "-",
    "[",
    "]",
    "if",
    "a",
    "src",
    "cid:",
    "style",
    "&#9;",
    "&",
    "\\",
    "url(",
]


@given(st.lists(st.sampled_from(MARKUP), max_size=60).map("".join))
@settings(max_examples=500)
def test_any_html_can_be_read(html: str) -> None:
    """Never an error: it is an application's text, and may be any."""
    for found in content_ids_in(html):
        assert found


@given(st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,60}", fullmatch=True), st.booleans())
@settings(max_examples=200)
def test_any_content_id_is_found_percent_encoded(id_: str, is_long: bool) -> None:
    """RFC 2392 section 2: whatever an id may hold, with more or less of it encoded."""
    spelt = "".join(f"%{ord(char):02x}" for char in id_) if is_long else quote(id_)

    assert id_ in content_ids_in(f'<p>a<img class="x" src="cid:{spelt}"></p>')
