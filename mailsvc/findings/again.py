"""Runs the present rules over stored arrivals: what they see differently makes its events, everything else none."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from mailsvc.domain.jsontext import compact
from mailsvc.findings.judgement import Finding
from mailsvc.findings.record import Judged, Terms, judge_mails, write
from mailsvc.inbox.keep import KeptMail
from mailsvc.inbox.shown import ClassifiedMail
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body

__all__ = ["Changed", "Selection", "reclassify"]

_BY_BYTES = {"reply": "message", "unsubscribe": "message"}  # the kinds that the matched message decides
AT_ONCE = 50  # arrivals of one transaction


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The arrivals to look at; all that are recorded by default."""

    ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: int | None = None  # microseconds since the epoch


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """An arrival that is seen differently.

    Attributes:
        findings: those that are new or different.
        events: how many are emitted, besides those of suppressions.
    """

    id: str
    subject: str | None
    before: str
    after: str
    findings: tuple[Finding, ...]
    events: int


def reclassify(
    database: Database,
    classify: Callable[[KeptMail], ClassifiedMail],
    wanted: Selection,
    *,
    terms: Terms,
    is_dry_run: bool,
) -> Iterator[list[Changed] | int]:
    """Look at the arrivals page by page, the oldest first.

    Args:
        is_dry_run: write nothing.

    Yields:
        For each page how many arrivals it has, then what changed.
    """
    after = ""
    while page := _page(database, wanted, after):
        after = page[-1].id
        yield len(page)
        classified = [classify(one) for one in page]
        with database.write() as connection:
            yield _apply(connection, classified, database.now(), terms, is_dry_run=is_dry_run)


def _page(database: Database, wanted: Selection, after: str) -> list[KeptMail]:
    query = (
        select(arrival, arrival_body.c.content)
        .join(arrival_body, arrival_body.c.arrival_id == arrival.c.id)
        .where(_is_recorded(), arrival.c.id > after, *_conditions(wanted))
    )
    with database.read() as connection:
        rows = connection.execute(query.order_by(arrival.c.id).limit(AT_ONCE)).all()
    return [KeptMail(row.id, row.content, bool(row.truncated), _error_of_reading(row)) for row in rows]


def _error_of_reading(row: Any) -> str | None:
    """What the server could not give stays an error; what could not be read before may be readable now."""
    return row.error if row.truncated and row.kind == "unparsed" else None


def _is_recorded() -> Any:
    return arrival.c.kind.is_not(None) & arrival.c.recheck_at.is_(None)


def _conditions(wanted: Selection) -> Iterator[Any]:
    if wanted.ids:
        yield arrival.c.id.in_(wanted.ids)
    if wanted.kinds:
        yield arrival.c.kind.in_(wanted.kinds)
    if wanted.since is not None:
        yield arrival.c.received_at >= wanted.since


def _apply(
    connection: Connection, classified: list[ClassifiedMail], now: int, terms: Terms, *, is_dry_run: bool
) -> list[Changed]:
    judged = judge_mails(connection, classified, _is_recorded(), now=now, terms=terms)
    changed = [one for one in judged if _is_changed(one)]
    for one in changed:
        _forget_known(one)
    shown = [_shown(one) for one in changed]
    if not is_dry_run:
        write(connection, changed, now=now, terms=terms)
    return shown


def _is_changed(one: Judged) -> bool:
    about, row = one.found.about, one.row
    if about is None and row.message_id is not None and one.mail.kind == _BY_BYTES.get(row.kind, row.kind):
        return False  # only the message is not kept any more, or too old to be believed
    delivery = about.delivery if about else None
    seen = (one.found.kind, about.message.id if about else None, delivery.id if delivery else None)
    return seen != (row.kind, row.message_id, row.delivery_id) or bool(_new_findings(one))


def _new_findings(one: Judged) -> list[Finding]:
    known = _known(one.row)
    return [finding for finding in one.found.findings if _key(finding) not in known]


def _forget_known(one: Judged) -> None:
    """Tell nothing twice: only what new findings do is left. What was applied stays so, whatever its reason is now."""
    new, found = _new_findings(one), one.found
    was_applied = {_done(finding) for finding in _stored(one.row) if finding.applied}
    found.outcomes = [pair for pair in found.outcomes if pair[1] in new and _done(pair[1]) not in was_applied]
    found.news = [pair for pair in found.news if pair[1] is None or pair[1] in new]
    for finding in found.findings:
        finding.applied = finding.applied or _done(finding) in was_applied


def _shown(one: Judged) -> Changed:
    return Changed(
        id=one.row.id,
        subject=one.row.subject,
        before=one.row.kind,
        after=one.found.kind,
        findings=tuple(_new_findings(one)),
        events=len(one.found.news) + len(one.found.outcomes) or 1,
    )


def _known(row: Any) -> set[str]:
    return {_key(finding) for finding in _stored(row)}


def _stored(row: Any) -> list[Finding]:
    return [msgspec.convert(one, Finding) for one in json.loads(row.findings or "[]")]


def _done(finding: Finding) -> tuple[str, str | None]:
    """What applying a finding does."""
    return finding.kind, finding.delivery_id


def _key(finding: Finding) -> str:
    """What makes a finding the same as before: its evidence and its words may differ."""
    bounce = finding.bounce or {}
    return compact(
        [
            finding.kind,
            finding.recipient,
            finding.message_id,
            finding.delivery_id,
            bounce.get("type"),
            bounce.get("reason"),
        ]
    )
