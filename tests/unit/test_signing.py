"""Signatures of webhooks, held to the published library of Standard Webhooks."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from mailsvc.domain.signing import check_secret, new_secret, sign

# The vector of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR = (
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
    b'{"test": 2432232314}',
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)


def test_the_published_test_vector_is_reproduced() -> None:
    id_, timestamp, body, signature = VECTOR

    assert sign([SECRET], id_, timestamp, body) == signature


def test_each_secret_adds_a_signature() -> None:
    """During a rotation receivers know the one or the other."""
    id_, timestamp, body, signature = VECTOR
    both = sign([new_secret(), SECRET], id_, timestamp, body).split(" ")

    assert (len(both), both[1]) == (2, signature)


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200))
def test_the_published_library_accepts_what_we_sign(key: bytes, body: bytes) -> None:
    """Whatever is in the body."""
    secret, now = "whsec_" + base64.b64encode(key).decode(), int(datetime.now(UTC).timestamp())
    body = b'{"x": "' + base64.b64encode(body) + b'"}'
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign([secret], "evt_1", now, body),
    }

    Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    """A new one has 32, and is another each time."""
    assert check_secret("whsec_" + base64.b64encode(b"x" * size).decode()) == b"x" * size
    assert len(check_secret(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode(), "whsec_é", SECRET + "!", SECRET + " "],
)  # fmt: skip
def test_an_invalid_secret_is_rejected(secret: str) -> None:
    """A prefix, and 24 to 64 bytes of base64."""
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        check_secret(secret)
