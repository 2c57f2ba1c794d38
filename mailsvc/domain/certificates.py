"""Checks CA certificates in PEM."""

import ssl

__all__ = ["check_ca_pem"]


def check_ca_pem(pem: str) -> None:
    """Raises ValueError if the text holds no certificates that could be trusted."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        raise ValueError("must hold PEM certificates (-----BEGIN CERTIFICATE-----)") from None
