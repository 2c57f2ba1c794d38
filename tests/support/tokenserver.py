"""An authorization server on loopback that tests drive: tokens, introspection, consent, device codes, and misbehaviour.

``POST /token`` checks the client and the grant as RFC 6749 asks. ``server.moods`` says how the next token requests are
answered instead, one each:

| mood            | the answer                                                          |
| --------------- | ------------------------------------------------------------------- |
| an error's code | 400 with this error, and the refresh token in its description       |
| ``"429"``       | this status, with Retry-After: 7; other numbers without             |
| ``"redirect"``  | 307 to ``/elsewhere``                                               |
| ``"close"``     | none: the connection is closed                                      |
| ``"drip"``      | a header without end, a byte at a time                              |
| ``"garbage"``   | 200 and no JSON                                                     |
| ``"huge"``      | 200 and a mebibyte                                                  |
| ``"bare"``      | tokens without ``expires_in``                                       |
| ``"lost"``      | tokens are issued (and rotated), and the connection is closed       |
| JSON            | 200 and this                                                        |
"""

import base64
import hashlib
import json
import secrets
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.certificates import Certificate, authority, server_context

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "TokenServer"]

CLIENT_ID, CLIENT_SECRET = "mailsvc-test", "client-s3cret"
Form = dict[str, str]


class TokenServer:
    """One server and one account, ``user``.

    Args:
        rotates: whether each use of a refresh token ends it and gives the next.
        reuses: how often a refresh token that was rotated may still be used.
        tls: a certificate's kind; None for plain HTTP.
    """

    def __init__(
        self, *, user: str = "shop@app.test", rotates: bool = True, reuses: int = 0, tls: Certificate | None = None
    ) -> None:
        self.user, self.rotates, self.reuses = user, rotates, reuses
        self.life: Any = 3600
        self.moods: deque[str] = deque()
        self.requests: list[Form] = []  # of /token
        self.introspected: list[str] = []
        self.consents = True  # what the person says
        self.gate = threading.Event()  # answers of /token wait for it
        self.gate.set()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._refresh: dict[str, int] = {}  # and how often each may be used
        self._access: set[str] = set()
        self._codes: dict[str, Form] = {}
        self._devices: dict[str, bool] = {}
        self._server = _server(self, tls)
        self._is_tls = tls is not None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> "TokenServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def ca_pem(self) -> str:
        return authority().cert_pem.bytes().decode()

    def url(self, path: str = "/token") -> str:
        return f"http{'s' if self._is_tls else ''}://127.0.0.1:{self._server.server_address[1]}{path}"

    def new_refresh_token(self) -> str:
        """A refresh token as after a person's consent."""
        with self._lock:
            return self._new_refresh_token()

    def grant(self, **given: Any) -> dict[str, Any]:
        """The ``oauth`` object of an account here."""
        fields = {"token_url": self.url(), "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return {**fields, "refresh_token": self.new_refresh_token(), **given}

    def revoke_access(self) -> None:
        """End all access tokens."""
        with self._lock:
            self._access.clear()

    def revoke_refresh(self) -> None:
        """End all refresh tokens."""
        with self._lock:
            self._refresh.clear()

    def is_valid(self, access_token: str) -> bool:
        with self._lock:
            return access_token in self._access

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many token requests came."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, 30), self.requests

    def approve_device(self) -> None:
        """The person enters the code and consents."""
        with self._lock:
            self._devices = dict.fromkeys(self._devices, True)

    # Answers

    def token(self, form: Form) -> tuple[int, Any, dict[str, str]] | None:
        """Answer a token request; None closes the connection."""
        with self._changed:
            self.requests.append(form)
            mood = self.moods.popleft() if self.moods else ""
            self._changed.notify_all()
        assert self.gate.wait(60)
        with self._lock:
            return self._in_mood(mood, form)

    def introspect(self, token: str) -> dict[str, Any]:
        with self._lock:
            self.introspected.append(token)
            return {"active": True, "username": self.user} if token in self._access else {"active": False}

    def consent(self, query: Form) -> str:
        """Where the browser is sent after the person's answer."""
        with self._lock:
            if not self.consents:
                return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
            assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
            code = secrets.token_urlsafe(16)
            self._codes[code] = query
            return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def device(self, form: Form) -> dict[str, Any]:
        with self._lock:
            code = secrets.token_urlsafe(16)
            self._devices[code] = False
            shown = {"user_code": "WDJB-MJHT", "verification_uri": self.url("/device-page")}
            return {"device_code": code, "expires_in": 600, "interval": 0.05, **shown}

    def _in_mood(self, mood: str, form: Form) -> tuple[int, Any, dict[str, str]] | None:
        if mood in ("close", "drip"):
            return None if mood == "close" else (200, mood, {})
        if mood == "lost":
            self._granted(form)
            return None
        if mood.isdigit():
            return int(mood), {"oops": mood}, {"Retry-After": "7"} if mood == "429" else {}
        if mood == "redirect":
            return 307, "", {"Location": self.url("/elsewhere")}
        if mood in ("garbage", "huge"):
            return 200, "<html>" if mood == "garbage" else '{"a": "' + "a" * 1_048_576 + '"}', {}
        if mood.startswith(("{", "[")):
            return 200, mood, {}
        if mood not in ("", "bare"):
            said = f"token {form.get('refresh_token')}\nof {form.get('client_secret')} was refused"
            return 400, {"error": mood, "error_description": said}, {}
        status, tokens = self._granted(form)
        if mood == "bare":
            tokens.pop("expires_in")
        return status, tokens, {}

    def _granted(self, form: Form) -> tuple[int, Form]:
        is_known = form.get("client_id") == CLIENT_ID and form.get("client_secret") in (CLIENT_SECRET, None)
        if not is_known:
            return 401, {"error": "invalid_client"}
        kind = form.get("grant_type", "")
        check = {
            "refresh_token": self._by_refresh_token,
            "client_credentials": lambda form: None if "client_secret" in form else "invalid_client",
            "authorization_code": self._by_code,
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device_code,
        }.get(kind, lambda _: "unsupported_grant_type")
        if error := check(form):
            return 400, {"error": error}
        return 200, self._issue(kind)

    def _by_refresh_token(self, form: Form) -> str | None:
        token = form.get("refresh_token", "")
        if self._refresh.get(token, 0) < 1:
            return "invalid_grant"
        self._refresh[token] -= 1
        return None

    def _by_code(self, form: Form) -> str | None:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return "invalid_grant"
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return None if challenge == asked["code_challenge"] else "invalid_grant"

    def _by_device_code(self, form: Form) -> str | None:
        code = form.get("device_code", "")
        if code not in self._devices:
            return "invalid_grant"
        if not self.consents:
            return "access_denied"
        return None if self._devices[code] else "authorization_pending"

    def _issue(self, kind: str) -> Form:
        token = f"access-{secrets.token_urlsafe(16)}"
        self._access.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if kind in ("client_credentials",) or (kind == "refresh_token" and not self.rotates):
            return answer
        return {**answer, "refresh_token": self._new_refresh_token()}

    def _new_refresh_token(self) -> str:
        token = f"refresh-{secrets.token_urlsafe(16)}"
        self._refresh[token] = 1 + self.reuses if self.rotates else 1_000_000
        return token


def _server(state: TokenServer, tls: Certificate | None) -> ThreadingHTTPServer:
    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self._send(302, "", {"Location": state.consent(dict(parse_qsl(parts.query)))})
            elif parts.path == "/introspect":
                bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
                self._send(200, state.introspect(dict(parse_qsl(parts.query)).get("token", bearer)), {})
            else:
                self._send(404, "", {})

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
            answers = {"/introspect": lambda: state.introspect(form["token"]), "/device": lambda: state.device(form)}
            if self.path != "/token":
                self._send(200, answers[self.path](), {})
            elif (answer := state.token(form)) is not None:
                self._drip() if answer[1] == "drip" else self._send(*answer)
            self.close_connection = True

        def _drip(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            while True:
                self.wfile.write(b"x")
                threading.Event().wait(0.02)

        def _send(self, status: int, document: Any, headers: dict[str, str]) -> None:
            body = (document if isinstance(document, str) else json.dumps(document)).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(body)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def finish_request(self, request: Any, client_address: Any) -> None:
            # The handshake in the request's thread: a client that lingers over it stops nobody else.
            protected = server_context(tls).wrap_socket(request, server_side=True) if tls else request
            super().finish_request(protected, client_address)

        def handle_error(self, request: object, client_address: object) -> None: ...  # a client that has disconnected

    return Server(("127.0.0.1", 0), Endpoint)
