"""What every TLS client needs, whatever it speaks: the context, and the failures of a connection in words."""

import socket
import ssl
from functools import lru_cache

__all__ = ["failure_in_words", "tls_context"]

_CERTIFICATE_FLAWS = {
    "certificate has expired": "the certificate has expired",
    "self-signed certificate": "the certificate is self-signed, and not trusted here",
    "self-signed certificate in certificate chain": "the certificate comes from a CA that is not trusted here",
    "unable to get local issuer certificate": "the certificate comes from a CA that is not trusted here",
}


@lru_cache(maxsize=256)
def tls_context(*, verify: bool, ca_pem: str | None) -> ssl.SSLContext:
    """Loading the system's CAs takes 20 ms: one context for all servers that want the same.

    Args:
        ca_pem: certificates to trust instead of the system's.

    Raises:
        ValueError: the text holds no certificates (``ssl.SSLError`` is one of its kinds, too).
    """
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def failure_in_words(error: BaseException, *, ports: str) -> str:
    """A connection's failure in words that help.

    Args:
        ports: where TLS is usually spoken in this protocol, for those who configured another port.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_in_words(error)
    if isinstance(error, ssl.SSLError):
        return _tls_in_words(error, ports)
    if isinstance(error, socket.gaierror):
        return f"the host name can't be resolved: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionAbortedError) and "SSL" in str(error):
        return "no answer in time"  # how asyncio ends a TLS handshake that takes too long
    if isinstance(error, ConnectionError):
        return "connection lost"
    return str(error) or type(error).__name__


def _tls_in_words(error: ssl.SSLError, ports: str) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "connection lost during TLS"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return f"no TLS is spoken on this port: {ports}"
    return f"TLS failed: {error.reason or error}"


def _certificate_in_words(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if "match" in said.lower() and ("host" in said.lower() or "ip address" in said.lower()):
        return f"the certificate is for another name: {said}"
    return _CERTIFICATE_FLAWS.get(said, f"the certificate can't be verified: {said}")
