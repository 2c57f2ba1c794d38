"""``mailsvc migrate``: change the database's tables to those of this version."""

import json

import click

from mailsvc import settings as settings_module
from mailsvc import telemetry
from mailsvc.cli.local import reach
from mailsvc.service.bootstrap import prepare_data_dir
from mailsvc.store import migrate


@click.command("migrate", epilog="Example: mailsvc migrate")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(as_json: bool) -> None:
    """Create or update the tables; safe to run at any time and from several hosts."""
    settings = settings_module.load()
    telemetry.set_up(settings.log_format, settings.log_level)
    prepare_data_dir(settings)
    with reach(settings) as database:
        before = migrate.current(database)
        try:
            after = migrate.upgrade(database)
        except migrate.NewerTables as error:
            raise click.ClickException(str(error)) from error
    click.echo(json.dumps({"before": before, "after": after}) if as_json else f"The tables are at version {after}.")
