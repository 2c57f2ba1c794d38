"""Guides a person through the authorization of a relay or mailbox, and stores the refresh token with it."""

import threading
from dataclasses import replace
from typing import Any

import click

from mailsvc import clock
from mailsvc.cli.authorize_options import Given
from mailsvc.cli.client import Client
from mailsvc.cli.show import one_line
from mailsvc.oauth.authorization import (
    DeviceCode,
    ask_consent,
    device_tokens,
    request_device_code,
    tokens_for_consent,
)
from mailsvc.oauth.errors import NotYetAuthorized, OAuthError
from mailsvc.oauth.exchange import Reach
from mailsvc.oauth.grant import OAuth, check_oauth, endpoints_of, is_usable_url
from mailsvc.oauth.presets import Endpoints, preset_for_host
from mailsvc.oauth.redirect import answer_in, listen_for_redirect
from mailsvc.oauth.tokens import Tokens

__all__ = ["authorize"]

PATIENCE = 600.0  # seconds for a person
_TOKEN_MECHANISMS = ("auto", "xoauth2", "oauthbearer")


def authorize(service: Client, path: str, account: dict[str, Any], given: Given) -> dict[str, Any]:
    """Ask a person, and store the refresh token. Returns the changed relay or mailbox.

    Args:
        path: of the account, such as ``/v1/relays/rly_…``.
        account: the relay or mailbox as the API shows it.
    """
    grant = _grant(account, given)
    endpoints = replace(
        (known := endpoints_of(grant, account.get("protocol", "smtp"))),
        authorization_url=given.authorization_url or known.authorization_url,
        device_url=given.device_url or known.device_url,
    )
    _check(grant, endpoints, given)
    username = account["username"] or given.username or click.prompt("The account's address", err=True)
    grant = _ask_for_client(grant, given)
    reach = Reach(ca_pem=(given.ca.read() if given.ca else account.get("ca_pem")))
    try:
        tokens = (_by_device if given.device else _by_browser)(grant, endpoints, reach, given)
    except OAuthError as error:
        raise click.ClickException(error.text) from error
    return _store(service, path, account | {"username": username}, grant, tokens)


def _grant(account: dict[str, Any], given: Given) -> OAuth:
    preset = given.preset or (None if given.token_url else preset_for_host(account["host"]))
    if preset is None and given.token_url is None:
        raise click.ClickException(
            f"the provider of {account['host']} is not known: name it with --preset, or with --token-url and "
            "--authorization-url (or --device-url)"
        )
    return OAuth(preset=preset, token_url=given.token_url, tenant=given.tenant, scope=given.scope)


def _check(grant: OAuth, endpoints: Endpoints, given: Given) -> None:
    whole = OAuth(preset=grant.preset, token_url=grant.token_url, tenant=grant.tenant, client_id="x", refresh_token="x")  # noqa: S106
    for error in check_oauth(whole):
        raise click.ClickException(f"--{error.field.removeprefix('oauth.').replace('_', '-')} {error.detail}")
    option, url = (
        ("--device-url", endpoints.device_url) if given.device else ("--authorization-url", endpoints.authorization_url)
    )
    if url is None and given.device and grant.preset:
        raise click.ClickException(
            f"{grant.preset} offers no device codes for mail: leave out --device, or try --paste"
        )
    if url is None or not is_usable_url(url):
        raise click.ClickException(f"{option} must be an https:// URL")


def _ask_for_client(grant: OAuth, given: Given) -> OAuth:
    client_id = given.client_id or click.prompt("The application's client ID", err=True)
    secret = given.client_secret
    if secret is None:
        question = "Its client secret (empty for a public client)"
        secret = click.prompt(question, default="", show_default=False, hide_input=True, err=True)
    return OAuth(
        preset=grant.preset,
        token_url=grant.token_url,
        tenant=grant.tenant,
        scope=grant.scope,
        client_id=client_id.strip(),
        client_secret=secret.strip() or None,
    )


def _by_browser(grant: OAuth, endpoints: Endpoints, reach: Reach, given: Given) -> Tokens:
    try:
        with listen_for_redirect(given.port) as redirect:
            consent = ask_consent(grant, endpoints, f"http://{endpoints.redirect_host}:{redirect.port}/")
            redirect.expect(consent.state)
            _tell(f"Open this page in a browser, log in as the account's owner and consent:\n\n{consent.url}\n")
            if given.paste:
                _tell("The browser then ends at an address that it can't open.")
                answer = answer_in(click.prompt("Paste that address", err=True))
            else:
                _tell(f"Waiting on port {redirect.port} of this host; with a browser on another host, use --paste.")
                found = redirect.wait(PATIENCE)
                if found is None:
                    raise click.ClickException(f"nobody consented within {PATIENCE / 60:.0f} minutes")
                answer = found
    except OSError as error:
        raise click.ClickException(f"can't listen on port {given.port}: {error.strerror}") from error
    return tokens_for_consent(consent, answer, grant, endpoints, reach)


def _by_device(grant: OAuth, endpoints: Endpoints, reach: Reach, given: Given) -> Tokens:  # noqa: ARG001 - as above
    device = request_device_code(grant, endpoints, reach)
    _tell(f"Open this page on any device, enter the code and consent:\n\n{device.verification_uri}\n")
    _tell(f"The code: {one_line(device.user_code)}")
    if device.complete_uri is not None:
        _tell(f"Or, with the code in it: {device.complete_uri}")
    return _poll(device, grant, endpoints, reach)


def _poll(device: DeviceCode, grant: OAuth, endpoints: Endpoints, reach: Reach) -> Tokens:
    """Ask until the person has consented (RFC 8628 section 3.5)."""
    deadline, interval = clock.monotonic() + device.life, device.interval
    while clock.monotonic() < deadline:
        threading.Event().wait(interval)
        try:
            return device_tokens(device, grant, endpoints, reach)
        except NotYetAuthorized as answer:
            interval += 5.0 if answer.is_too_often else 0.0
    raise click.ClickException("the code has expired: run the command again")


def _store(service: Client, path: str, account: dict[str, Any], grant: OAuth, tokens: Tokens) -> dict[str, Any]:
    if tokens.refresh_token is None:
        raise click.ClickException("the provider gave no refresh token: ask for offline access with --scope")
    names = ("preset", "token_url", "client_id", "client_secret", "scope", "tenant")
    # Null for the rest: members that are left out would stay as they were.
    oauth = {**{name: getattr(grant, name) for name in names}, "grant": "refresh_token", "access_token": None}
    changes: dict[str, Any] = {
        "username": account["username"],
        "oauth": {**oauth, "refresh_token": tokens.refresh_token},
    }
    if account["password"] is not None:
        changes["password"] = None  # it would be used instead
    if account.get("auth", "auto") not in _TOKEN_MECHANISMS:
        changes["auth"] = "auto"
    changed: dict[str, Any] = service.patch(path, changes)
    _tell("Authorized." + (" The stored password was removed." if "password" in changes else ""))
    return changed


def _tell(text: str) -> None:
    click.echo(text, err=True)
