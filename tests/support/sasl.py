"""The server's side of every AUTH mechanism, for tests, with one valid account."""

import hmac
from collections.abc import Callable

from scramp import ScramException, ScramMechanism

__all__ = ["PASSWORD", "TOKEN", "USER", "Judge"]

USER, PASSWORD, TOKEN = "shop@app.test", "pa:ss wörd", "ya29.token"


class Judge:
    """One AUTH dialogue; ``user`` is set after a successful login."""

    def __init__(self, mechanism: str) -> None:
        self.user: str | None = None
        self._turns: list[Callable[[bytes], bytes | None]] = {
            "PLAIN": [self._plain],
            "LOGIN": [self._login_user, self._login_password],
            "CRAM-MD5": [self._cram_md5],
            "SCRAM-SHA-256": [self._scram_first, self._scram_final, self._scram_end],
            "XOAUTH2": [self._bearer, lambda _: None],
            "OAUTHBEARER": [self._bearer, lambda _: None],
        }[mechanism]
        self._before = {"LOGIN": b"Username:", "CRAM-MD5": b"<17.1@faulty.test>"}.get(mechanism, b"")
        self._login: tuple[bytes, ...] = ()
        if mechanism == "SCRAM-SHA-256":
            self._mechanism = ScramMechanism("SCRAM-SHA-256")
            self._scram = self._mechanism.make_server(self._know)

    def challenge(self, response: bytes | None) -> bytes | None:
        """Return the next challenge after this response (None: there was none yet); None at the end of the dialogue."""
        if response is None:
            return self._before
        return self._turns.pop(0)(response)

    def _admit(self, *, is_right: bool) -> None:
        self.user = USER if is_right else None

    def _plain(self, response: bytes) -> None:
        self._admit(is_right=response == f"\0{USER}\0{PASSWORD}".encode())

    def _login_user(self, response: bytes) -> bytes:
        self._login = (response,)
        return b"Password:"

    def _login_password(self, response: bytes) -> None:
        self._admit(is_right=(*self._login, response) == (USER.encode(), PASSWORD.encode()))

    def _cram_md5(self, response: bytes) -> None:
        digest = hmac.new(PASSWORD.encode(), b"<17.1@faulty.test>", "md5").hexdigest()
        self._admit(is_right=response == f"{USER} {digest}".encode())

    def _know(self, user: str) -> object:
        self._login = (user.encode(),)
        return self._mechanism.make_auth_info(PASSWORD, iteration_count=4096)

    def _scram_first(self, response: bytes) -> bytes:
        self._scram.set_client_first(response.decode())
        return str(self._scram.get_server_first()).encode()

    def _scram_final(self, response: bytes) -> bytes | None:
        try:
            self._scram.set_client_final(response.decode())
        except ScramException:
            return None
        return str(self._scram.get_server_final()).encode()

    def _scram_end(self, response: bytes) -> None:
        self._admit(is_right=response == b"" and self._login == (USER.encode(),))

    def _bearer(self, response: bytes) -> bytes | None:
        words = response.split(b"\x01")
        has_user = any(word in (f"user={USER}".encode(), f"n,a={USER},".encode()) for word in words)
        self._admit(is_right=has_user and f"auth=Bearer {TOKEN}".encode() in words)
        return None if self.user else b'{"status":"400"}'
