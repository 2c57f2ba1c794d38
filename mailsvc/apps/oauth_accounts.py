"""The relays and mailboxes that log in with OAuth 2: the grant that is stored with each."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from mailsvc.oauth.errors import GrantRefused, TokenUnavailable
from mailsvc.oauth.grant import OAuth
from mailsvc.oauth.presets import Service
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.tables import relay
from mailsvc.store.vault import Vault, VaultError

__all__ = ["Account", "find_account", "how_to_authorize", "oauth_in"]

_TABLES = {"rly": relay, "mbx": mailbox}
_COMMANDS = {"rly": "relay", "mbx": "mailbox"}


@dataclass(frozen=True, slots=True)
class Account:
    """What renewing an account's token needs."""

    id: str
    name: str
    oauth: OAuth
    service: Service
    ca_pem: str | None


def find_account(connection: Connection, vault: Vault, owner_id: str) -> Account:
    """The relay or mailbox with this id; it can't be changed before the transaction ends.

    Raises:
        TokenUnavailable: it was deleted.
        GrantRefused: it has no OAuth, or its secrets can't be decrypted.
    """
    table = _TABLES[_kind(owner_id)]
    wanted = select(table.c.name, table.c.config, table.c.secret).where(table.c.id == owner_id)
    row = connection.execute(wanted.with_for_update(read=True)).first()
    if row is None:
        raise TokenUnavailable("the account was deleted")
    try:
        oauth = oauth_in(row, vault)
    except VaultError as error:
        raise GrantRefused(str(error)) from error
    if oauth is None:
        raise GrantRefused(f"{row.name} has no oauth: {how_to_authorize(owner_id, row.name)}")
    config = json.loads(row.config)
    return Account(owner_id, row.name, oauth, config.get("protocol", "smtp"), config.get("ca_pem"))


def oauth_in(row: Any, vault: Vault) -> OAuth | None:
    """The ``oauth`` object in a row of a relay or mailbox. Raises VaultError."""
    secrets = json.loads(vault.decrypt(row.secret)) if row.secret else {}
    return msgspec.convert(secrets["oauth"], OAuth) if secrets.get("oauth") else None


def how_to_authorize(owner_id: str, name: str) -> str:
    """What a person runs to get a new refresh token."""
    return f"run: mailsvc {_COMMANDS[_kind(owner_id)]} authorize {shlex.quote(name)}"


def _kind(owner_id: str) -> str:
    return owner_id.partition("_")[0]
