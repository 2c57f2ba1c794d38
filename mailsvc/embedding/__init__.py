"""The service in a program of somebody else's: in threads of its own, without touching what is the program's."""

from mailsvc.embedding.service import Service

__all__ = ["Service"]
