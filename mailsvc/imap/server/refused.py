"""A command that can't be carried out."""

__all__ = ["Refused"]


class Refused(Exception):
    """The text is shown to the client.

    Attributes:
        kind: ``NO`` for what is not possible, ``BAD`` for what is not understood (RFC 3501 section 7.1).
    """

    def __init__(self, text: str, *, kind: str = "BAD") -> None:
        super().__init__(text)
        self.kind = kind
