"""``mailsvc reclassify``: run the present rules over the mails that arrived before."""

import json
from functools import partial
from typing import Any

import click
import msgspec

from mailsvc import clock, telemetry
from mailsvc import settings as settings_module
from mailsvc.cli.local import existing_database
from mailsvc.findings.again import Changed, Selection, reclassify
from mailsvc.findings.record import Terms
from mailsvc.inbound.classify import classify
from mailsvc.inbox.read import KINDS
from mailsvc.runtime.wake import EVENTS, NOTIFY, Bell
from mailsvc.service.bootstrap import open_vault


@click.command(
    "reclassify", epilog="Example: mailsvc reclassify --kind unparsed --since 2026-11-01T00:00:00Z --dry-run"
)
@click.option("--since", metavar="TIME", help="Only mails received at or after this RFC 3339 time.")
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only arrivals of this kind; may be repeated."
)
@click.option("--id", "ids", metavar="ARR_…", multiple=True, help="Only this arrival; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines, one line per arrival that changes.")
def command(since: str | None, kinds: tuple[str, ...], ids: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Read stored arrivals again by this version's rules.

    What is seen differently makes its events and changes deliveries, once; what is seen as before changes nothing.
    """
    settings = settings_module.load()
    telemetry.set_up(settings.log_format, settings.log_level)
    wanted = Selection(ids=ids, kinds=kinds, since=_instant(since))
    terms = Terms(settings.public_url or "", settings.soft_bounce_limit)
    with existing_database(settings) as database:
        keys = open_vault(settings).signing_keys
        seen, changed = 0, 0
        for found in reclassify(database, partial(classify, keys=keys), wanted, terms=terms, is_dry_run=dry_run):
            if isinstance(found, int):
                seen += found
                continue
            changed += len(found)
            for one in found:
                click.echo(_line(one, as_json=as_json))
    if changed and not dry_run:
        Bell(settings.data_dir).ring(NOTIFY, EVENTS)
    if not as_json:
        verb = "would change" if dry_run else "changed"
        click.echo(f"{seen} arrivals read again, {changed} {verb}.")


def _instant(text: str | None) -> int | None:
    try:
        return None if text is None else clock.parse_rfc3339(text)
    except ValueError as error:
        raise click.BadParameter(f"is {error}", param_hint="--since") from error


def _line(one: Changed, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(msgspec.to_builtins(one))
    kind = one.after if one.before == one.after else f"{one.before} → {one.after}"
    facts = [_fact(msgspec.to_builtins(finding)) for finding in one.findings]
    return "  ".join([one.id, kind, *facts, (one.subject or "")[:60]])


def _fact(finding: dict[str, Any]) -> str:
    reason = (finding["bounce"] or {}).get("reason")
    return " ".join(filter(None, (finding["kind"], finding["recipient"], reason, finding["message_id"])))
