"""The errors of OAuth.

OAuthError
 ├── GrantRefused      a person must act: authorize again, or correct the settings
 ├── TokenUnavailable  the authorization server can't be reached, or does not answer as it should; try again later
 └── NotYetAuthorized  the person has not consented yet (RFC 8628 section 3.5)
"""

__all__ = ["GrantRefused", "NotYetAuthorized", "OAuthError", "TokenUnavailable"]


class OAuthError(Exception):
    """No token; the text is one line for people, without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class GrantRefused(OAuthError):
    """The server refuses the grant or the client (RFC 6749 section 5.2).

    Args:
        code: the server's word, such as ``invalid_grant``.
    """

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


class TokenUnavailable(OAuthError):
    """No token now.

    Args:
        wait: seconds that the server asks to wait (Retry-After).
    """

    def __init__(self, text: str, *, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


class NotYetAuthorized(OAuthError):
    """Ask again.

    Args:
        is_too_often: whether to ask 5 seconds less often from now on (``slow_down``).
    """

    def __init__(self, text: str, *, is_too_often: bool) -> None:
        super().__init__(text)
        self.is_too_often = is_too_often
