"""A real SMTP submission server on loopback that delivers nothing."""

from mailsvc.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
