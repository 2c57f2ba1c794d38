"""``mailsvc migrate``: change the database's tables to those of this version."""

import json
from dataclasses import replace

import click

from mailsvc import settings as settings_module
from mailsvc import telemetry
from mailsvc.cli.local import reach
from mailsvc.service.bootstrap import prepare_data_dir
from mailsvc.store import migrate


@click.command(
    "migrate", epilog="Example: mailsvc migrate --database-url postgresql+psycopg://shop@127.0.0.1/shop --schema mail"
)
@click.option("--database-url", metavar="URL", help="Instead of MAILSVC_DATABASE_URL: that of the application.")
@click.option("--schema", metavar="NAME", help="Instead of MAILSVC_DATABASE_SCHEMA; it is created if it is missing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(database_url: str | None, schema: str | None, as_json: bool) -> None:
    """Create or update the tables; safe to run at any time and from several hosts."""
    settings = settings_module.load()
    settings = replace(
        settings,
        database_url=database_url or settings.database_url,
        database_schema=schema or settings.database_schema,
    )
    telemetry.set_up(settings.log_format, settings.log_level)
    if not database_url:
        prepare_data_dir(settings)
    with reach(settings) as database:
        before = migrate.current(database)
        try:
            after = migrate.upgrade(database)
        except migrate.NewerTables as error:
            raise click.ClickException(str(error)) from error
    click.echo(json.dumps({"before": before, "after": after}) if as_json else f"The tables are at version {after}.")
