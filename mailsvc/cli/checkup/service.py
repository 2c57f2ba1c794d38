"""The running service: it responds, it is ready, and it accepts the key."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from mailsvc import clock
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.client import Client, Refused, Reply, Unreachable

__all__ = ["look_at_service"]

MOST_SKEW = 5.0  # seconds; the Date header is whole seconds


def look_at_service(service: Client, *, works_embedded: bool = False) -> Iterator[Finding]:
    """Yield findings about the service at this address.

    Args:
        works_embedded: all its roles but the API run in processes of this database, so that it may have none on purpose.
    """
    try:
        reply = service.call("GET", "/healthz")
    except (Unreachable, Refused) as trouble:
        if works_embedded and isinstance(trouble, Unreachable):
            yield well("service", f"runs inside a program, without an API at {service.url}")
            return
        yield problem("service", trouble.message, "start mailsvc serve; or give --url if it runs elsewhere")
        return
    yield well("service", f"runs at {service.url}")
    yield from _clock(reply)
    yield _readiness(service)
    yield _key(service)


def _clock(reply: Reply) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return
    skew = there - clock.now() / clock.SECOND
    if abs(skew) > MOST_SKEW:
        yield problem(
            "clock", f"the service's clock differs by {skew:+.0f} s from this host's", "synchronise the clocks (NTP)"
        )


def _readiness(service: Client) -> Finding:
    try:
        service.call("GET", "/readyz")
    except (Unreachable, Refused) as trouble:
        checks = trouble.problem.get("checks", {}) if isinstance(trouble, Refused) else {}
        wrong = "; ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
        return problem("ready", wrong or trouble.message, "see the service's log")
    return well("ready", "messages can be accepted")


def _key(service: Client) -> Finding:
    if service.key is None:
        return warning("key", "no API key is set", "set MAILSVC_API_KEY, or run doctor where the data directory is")
    try:
        service.call("GET", "/v1/events", arguments={"after": "now", "limit": 1})
    except Refused as refusal:
        if refusal.status == 403:
            return well("key", f"is valid ({refusal.message})")
        return problem(
            "key", f"is rejected: {refusal.message}", "create one with mailsvc key create and set it as MAILSVC_API_KEY"
        )
    except Unreachable as trouble:
        return problem("key", trouble.message, "see the service's log")
    return well("key", "is valid")
