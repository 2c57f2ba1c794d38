"""Where bounces may come back to, with room for the token that tells which delivery they are about."""

import pytest

from mailsvc.domain.returnpath import return_path_flaw

DOMAIN = ".".join(["d" * 62] * 3)  # 188 characters


@pytest.mark.parametrize(
    ("address", "flaw", "flaw_without_token"),
    [
        ("bounces@app.test",                None,           None),
        ("Bounces@App.test",                None,           None),
        ("b" * 29 + "@app.test",            None,           None),         # 29 + 1 + 34 = 64, what every server takes
        ("b" * 30 + "@app.test",            "30 characters before the @", None),
        ("é" * 15 + "@app.test",            "30 characters before the @", None),  # octets count
        ("b" * 29 + f"@{DOMAIN}.t",         "220 characters in all",      None),
        ("b" * 28 + f"@{DOMAIN}.t",         None,           None),         # 219 + 35 = 254
        ("Shop <bounces@app.test>",         "plain address", "plain address"),
        ("bounces",                         "no @",         "no @"),
        ("",                                "empty",        "empty"),
    ],
)  # fmt: skip
def test_a_return_path(address: str, flaw: str | None, flaw_without_token: str | None) -> None:
    """The detail says what is wrong and how much is left."""
    for found, expected in (
        (return_path_flaw(address), flaw),
        (return_path_flaw(address, verp=False), flaw_without_token),
    ):
        assert (found is None) == (expected is None), found
        assert expected is None or expected in (found or "")


@pytest.mark.parametrize(("address", "most"), [("b" * 30 + "@app.test", 29), ("b" * 29 + f"@{DOMAIN}.t", 219)])
def test_the_most_that_fits_is_named(address: str, most: int) -> None:
    assert f"use at most {most}, or verp: false" in (return_path_flaw(address) or "")
