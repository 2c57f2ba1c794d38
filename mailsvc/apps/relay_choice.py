"""Which relay a message goes by, and why it can't."""

from collections.abc import Sequence

from mailsvc.apps.known_relay import KnownRelay
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.relay import Relay

__all__ = ["NoUsableRelay", "likely_relay", "relay_for"]


class NoUsableRelay(Invalid):
    """The message is right, but its relay can't be used before the operator changes something."""


def relay_for(relays: Sequence[KnownRelay], wanted: str | None) -> Relay:
    """Return the relay for a message of an app.

    Args:
        relays: of the app, oldest first.
        wanted: the name or id that the message gives; None for the app's default.

    Raises:
        NoUsableRelay: the relay is disabled or damaged, or the app has none.
        Invalid: there is no relay of this name.
    """
    known = _choose(relays, wanted)
    if known is not None and known.enabled:
        return known.relay
    kind = Invalid if known is None and wanted is not None else NoUsableRelay
    raise kind(FieldError("relay", _why_not(known, wanted)))


def likely_relay(relays: Sequence[KnownRelay], wanted: str | None) -> Relay:
    """Return the relay that ``relay_for`` would return if it could be used; one without a name where there is none.

    Raises:
        Invalid: there is no relay of this name.
    """
    known = _choose(relays, wanted)
    if known is not None:
        return known.relay
    if wanted is not None:
        raise Invalid(FieldError("relay", _why_not(None, wanted)))
    return Relay(id="", name="", host="")


def _choose(relays: Sequence[KnownRelay], wanted: str | None) -> KnownRelay | None:
    """Return the wanted relay, enabled or not; without a name the app's default.

    The default is the relay marked as such, else the oldest enabled one. The sandbox delivers nothing, so it is the
    default only of an app without any other relay.
    """
    if wanted is not None:
        return next((r for r in relays if wanted in (r.relay.name, r.relay.id)), None)
    real = [r for r in relays if not r.is_sandbox] or relays
    return next((r for r in real if r.is_default), next((r for r in real if r.enabled), None))


def _why_not(known: KnownRelay | None, wanted: str | None) -> str:
    """Why the wanted or the default relay can't be used."""
    if known is None and wanted is None:
        return "no usable relay: create one (POST /v1/relays, MAILSVC_RELAY_URL) or enable one"
    if known is None:
        return f"there is no relay {(wanted or '')[:100]!r}; GET /v1/relays lists them"
    which = f"{known.relay.name!r}" if wanted is not None else f"the default one, {known.relay.name!r},"
    if known.flaw is not None:
        return f"{which} can't be used, {known.flaw}: restore that key, or set the relay's password again"
    return f"{which} is disabled: enable it (PATCH /v1/relays/{known.relay.id}) or name another"
