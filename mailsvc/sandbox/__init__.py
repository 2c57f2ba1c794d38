"""A real SMTP submission server on loopback that delivers to nobody."""

from mailsvc.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
