"""``mailsvc grants``: the statements that let a role of PostgreSQL insert mails, and nothing else."""

import click

from mailsvc import settings as settings_module
from mailsvc.cli.show import as_json_line


@click.command("grants", epilog="Example: mailsvc grants shop --schema mail | psql …")
@click.argument("role", metavar="ROLE")
@click.option("--schema", metavar="NAME", help="Instead of MAILSVC_DATABASE_SCHEMA (default: public).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(role: str, schema: str | None, as_json: bool) -> None:
    """Print the SQL that lets ROLE insert into mailsvc_submission and read back the ids. It changes nothing."""
    named, where = _quoted(role), _quoted(schema or settings_module.load().database_schema or "public")
    statements = [
        f"GRANT USAGE ON SCHEMA {where} TO {named};",
        f"GRANT INSERT (id, app, draft, idempotency_key), SELECT (id) ON {where}.mailsvc_submission TO {named};",
    ]
    if as_json:
        as_json_line({"statements": statements})
        return
    click.echo("\n".join(statements))


def _quoted(name: str) -> str:
    """A name as SQL has it."""
    if not name or "\0" in name:
        raise click.BadParameter("must be a name")
    return '"' + name.replace('"', '""') + '"'
