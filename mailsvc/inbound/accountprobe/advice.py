"""What the probe's findings mean for the settings. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Finding", "Result", "advice"]

Result = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the account supports something, and how that is known."""

    result: Result
    detail: str


def advice(found: Mapping[str, Finding], *, address: str, relay: str) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that fit, and a sentence for each; what is unknown is left out of the settings."""
    settings: dict[str, Any] = {}
    sentences: list[str] = []
    for part in (_return_path, _reply_token, _sent_folder):
        values, said = part({name: one.result for name, one in found.items()}, address, relay)
        settings |= values
        sentences.append(said)
    return settings, sentences


_Part = tuple[dict[str, Any], str]


def _return_path(found: Mapping[str, Result], address: str, relay: str) -> _Part:
    path, plus = found["return_path"], found["plus_addresses"]
    if path == "no":
        return {"return_path": None}, f"Leave return_path of the relay {relay} unset: the provider does not keep it."
    if path == "yes" and plus == "yes":
        values = {"return_path": address, "verp": True}
        return (
            values,
            f"Set return_path to {address} and verp to true at the relay {relay}: each bounce then leads to its delivery.",
        )
    if path == "yes" and plus == "no":
        values = {"return_path": address, "verp": False}
        return (
            values,
            f"Set return_path to {address} and verp to false at the relay {relay}: bounces come to this mailbox.",
        )
    return {}, "Whether a return_path with verp works is not known: try the probe again later."


def _reply_token(found: Mapping[str, Result], _address: str, relay: str) -> _Part:
    plus = found["plus_addresses"]
    if plus == "unknown":
        return {}, "Whether reply_token works is not known: try the probe again later."
    if plus == "no":
        return {"reply_token": False}, "Leave reply_token off: the account takes no addresses with a plus sign."
    said = f"Set reply_token to true at the relay {relay}: replies then lead to their message even without In-Reply-To."
    return {"reply_token": True}, said


def _sent_folder(found: Mapping[str, Result], _address: str, relay: str) -> _Part:
    copies, kept = found["sent_copies"], found["message_id"]
    if copies == "unknown":
        return {}, "Whether the provider files sent mails is not known; leave file_sent off and on_uncertain as it is."
    if copies == "no":
        said = (
            f"The provider files no copies: set file_sent to true at the relay {relay} if you want them. "
            "verify would find nothing: use on_uncertain resend, or hold for messages that must not be sent twice."
        )
        return {"file_sent": True, "on_uncertain": "resend"}, said
    if kept != "yes" or found["one_copy"] != "yes":
        said = "Leave file_sent off. Do not use on_uncertain verify: copies can't be told by Message-ID, or there are several of each mail."
        return {"file_sent": False, "on_uncertain": "resend"}, said
    said = f"The provider files a copy of each mail: leave file_sent off, set relay of this mailbox to {relay}, and use on_uncertain verify."
    return {"file_sent": False, "on_uncertain": "verify"}, said
