"""``mailsvc openapi``: the API's description, for client generators and for the repository."""

import json

import click

from mailsvc.api.app import routed
from mailsvc.api.openapi import describe, to_yaml
from mailsvc.domain.draft import Limits


@click.command("openapi", epilog="Example: mailsvc openapi > openapi.yaml")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def command(as_json: bool) -> None:
    """Print the OpenAPI 3.1 document of this version, with the default limits."""
    document = describe(routed(), Limits())
    click.echo(
        json.dumps(document, ensure_ascii=False) if as_json else to_yaml(document),
        nl=as_json,
    )
