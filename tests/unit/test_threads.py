"""What an answer refers to."""

import pytest

from mailsvc.mime.threads import MOST, references_of_answer

ME = "<me@app.test>"


@pytest.mark.parametrize(
    ("header", "older"),
    [
        ("Subject: x", []),
        ("In-Reply-To: <a@b>", ["<a@b>"]),
        ("In-Reply-To: <a@b> <c@d>", ["<a@b>"]),
        ("REFERENCES: <a@b>\r\n <c@d>\r\n\t<e@f>\r\nIn-Reply-To: <e@f>", ["<a@b>", "<c@d>", "<e@f>"]),
        ("References: nonsense\r\nIn-Reply-To: <a@b>", ["<a@b>"]),
        ("References: <a@b> <a@b> <me@app.test> <=?q?x?=>", ["<a@b>"]),
        ("X-References: <a@b>", []),
        ("Subject: x\r\n\r\nReferences: <a@b>", []),
    ],
)
def test_a_reply_references_all_earlier_messages(header: str, older: list[str]) -> None:
    """The parent's references, or else what it answered itself; the parent comes last."""
    assert references_of_answer(header.encode(), ME) == (*older, ME)


def test_a_long_conversation_keeps_its_beginning_and_its_end() -> None:
    """Headers must not grow without end."""
    ids = [f"<{n}@b>" for n in range(100)]
    kept = references_of_answer(f"References: {' '.join(ids)}".encode(), ME)

    assert kept == (ids[0], *ids[-(MOST - 2) :], ME)
