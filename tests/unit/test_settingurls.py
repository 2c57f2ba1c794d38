"""URLs in settings: a password that was not encoded is noticed wherever it ended up."""

import pytest

from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.settingurls import authority_flaw, percent_flaw


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("smtp://u:p@h.test:25", None),
        ("smtp://u%40x:p@h.test", None),
        ("smtp://h.test", None),
        ("smtp://u:p@x@h.test", "has an @ where none may stand"),
        ("smtp://u@x:p@h.test", "has an @ where none may stand"),
        ("smtp://u:p/x@h.test", "has an @ where none may stand"),
        ("smtp://u:p#x@h.test", "has an @ where none may stand"),
        ("smtp://u@x:p/x@h.test", "has an @ where none may stand"),
        ("smtp://[u:p@h.test", "can't be split into its parts"),
    ],
)
def test_what_got_out_of_its_place_is_noticed(url: str, flaw: str | None) -> None:
    """The error quotes nothing of it."""
    found = authority_flaw(url)

    assert found is None if flaw is None else (found or "").startswith(flaw + "; in user and password")


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("smtp://u:p%40@h.test", None),
        ("smtp://u:%C3%A9@h.test", None),
        ("smtp://u:p%@h.test", "has a % without the two hexadecimal digits"),
        ("smtp://u:p%4@h.test", "has a % without the two hexadecimal digits"),
        ("smtp://u:p%zz@h.test", "has a % without the two hexadecimal digits"),
        ("smtp://u:%E9@h.test", "has a % that encodes no UTF-8"),
    ],
)
def test_percent_encoding_is_checked(url: str, flaw: str | None) -> None:
    found = percent_flaw(url)

    assert found is None if flaw is None else (found or "").startswith(flaw)


@pytest.mark.parametrize("pem", ["", "x", "é", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_holds_no_certificate_is_explained(pem: str) -> None:
    with pytest.raises(ValueError, match=r"^must hold PEM certificates \(-----BEGIN CERTIFICATE-----\)$"):
        check_ca_pem(pem)
