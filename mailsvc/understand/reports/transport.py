"""What mail systems say of a delivery that no server answered: their own words, not those of a refusal. A table."""

import re

__all__ = ["reason_of_transport"]


def _any(*shapes: str) -> re.Pattern[str]:
    return re.compile("|".join(shapes), re.IGNORECASE)


_REASONS = (
    ("mailbox_full", _any(r"(mailbox|inbox|mailfolder|disk) (is )?full|over ?quota|quota (is )?exceeded")),
    (
        "expired",
        _any(
            r"too long in (the )?queue|been in the queue too long|retry (time ?out|timeout) exceeded|retry time not reached|all hosts[^.]{0,60}have been failing|message (has )?expired|queue\.?expired",
            r"(could not|couldn't|unable to|not) (be )?deliver(ed)?( message| mail| it)? (for|within|after)\b|giving up|multiple retries|\d+ attempts|delivery timed? ?out|delivery time expired|delayed more than|lifetime|still undelivered|heure[s]? d'essai",
        ),
    ),
    (
        "domain_unknown",
        _any(
            r"null ?mx|nxdomain|host unknown|unknown host|(host|domain) (or domain )?(name )?([\w.-]{1,255} )?(is |was )?(not found|unknown|does ?n[o']t exist)|unrout(e)?able (mail )?(domain|address)|no such (host|domain)|malformed or unexpected name server",
            r"(domain|host)[^.]{0,60}does ?n[o']t (receive|accept) (any )?(e-?)?mail|could ?n[o']t find (a gateway|any host|the (host|domain)|domain)|could not find a gateway|name or service not known|bad destination (system|host)|no mx (found|or|record)|no route for the domain",
        ),
    ),
    (
        "network_error",
        _any(
            r"connection (to [\w.\[\]:-]{1,255} )?(timed out|refused|reset|dropped|lost|closed|failed|was (dropped|refused|closed|reset))|no route to host|network (is )?unreachable|time(d)? ?out|socket error|had no relevant answers|lost connection",
            r"could ?n[o']t (connect|establish|initiate)|could not (connect|establish|initiate)|(did not|didn't|does not) (accept our requests to connect|respond)|is not responding|host (is )?(not reachable|unreachable)|connect to [\w.-]{1,255}|unable to connect|communication failure|connection to mail exchanger failed",
        ),
    ),
    (
        "system_error",
        _any(
            r"command died|can't create (user )?output|mail (forwarding )?loop|too many hops|hop count|loops back to myself|local configuration error|resources? temporarily|temporarily unavailable|cannot append|can't open mailbox|remote protocol error|mailer error|unknown mailer"
        ),
    ),
)


def reason_of_transport(words: str) -> str | None:
    """Return a public bounce reason, None if the words say nothing of the transport."""
    return next((reason for reason, pattern in _REASONS if pattern.search(words)), None)
