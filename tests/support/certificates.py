"""Certificates for servers on loopback: a valid one, and one for each kind of error."""

import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import trustme

__all__ = ["Certificate", "Certificates", "authority", "make_certificates", "server_context"]

Certificate: TypeAlias = Literal["good", "expired", "wrong name", "untrusted", "old"]
_PAST = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2020, 12, 31, tzinfo=UTC)}


@dataclass(frozen=True)
class Certificates:
    """PEM files: the CA that clients trust; each server's key with its chain."""

    ca: Path
    good: Path
    expired: Path
    wrong_name: Path
    untrusted: Path


def make_certificates(directory: Path, host: str) -> Certificates:
    """Write the files into the directory; the valid certificate is for ``host``."""
    trusted, stranger = trustme.CA(), trustme.CA()
    leaves = {
        "good": trusted.issue_cert(host),
        "expired": trusted.issue_cert(host, **_PAST),
        "wrong_name": trusted.issue_cert("elsewhere.test"),
        "untrusted": stranger.issue_cert(host),
    }
    ca = directory / "ca.pem"
    trusted.cert_pem.write_to_path(str(ca))
    paths = {}
    for name, leaf in leaves.items():
        paths[name] = directory / f"{name}.pem"
        paths[name].touch(mode=0o600)
        leaf.private_key_and_cert_chain_pem.write_to_path(str(paths[name]))
    return Certificates(ca=ca, **paths)


@lru_cache
def authority() -> trustme.CA:
    """The one that clients of servers in this process trust."""
    return trustme.CA()


@lru_cache
def server_context(certificate: Certificate) -> ssl.SSLContext:
    """For a server in this process on 127.0.0.1; ``old`` speaks nothing above TLS 1.1."""
    issuer = trustme.CA() if certificate == "untrusted" else authority()
    name = "elsewhere.test" if certificate == "wrong name" else "127.0.0.1"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(name, **(_PAST if certificate == "expired" else {})).configure_cert(context)
    if certificate == "old":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context
