"""Certificates for servers on loopback: a valid one, and one for each kind of error."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

__all__ = ["Certificates", "make_certificates"]


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
    first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 12, 31, tzinfo=UTC)
    leaves = {
        "good": trusted.issue_cert(host),
        "expired": trusted.issue_cert(host, not_before=first, not_after=last),
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
