"""Real servers on loopback: a relay that delivers nothing, and the mailbox where what follows arrives."""

from mailsvc.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
