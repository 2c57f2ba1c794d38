"""Settings: read once, checked, frozen.

Sources, strongest first: ``X_FILE`` (a file that holds the value), the environment variable ``X``, ``x`` in
``mailsvc.toml`` in the working directory, the default.
"""

from mailsvc.settings.checks import LEAST_SECRET
from mailsvc.settings.conversion import PREFIX
from mailsvc.settings.mailbox_url import parse_mailbox_url, parse_mailbox_urls
from mailsvc.settings.model import Settings
from mailsvc.settings.relay_url import parse_relay_url
from mailsvc.settings.sources import client_environ, load
from mailsvc.settings.values import BadSetting, parse_bool, parse_rate, stored_rate

__all__ = [
    "LEAST_SECRET",
    "PREFIX",
    "BadSetting",
    "Settings",
    "client_environ",
    "load",
    "parse_bool",
    "parse_mailbox_url",
    "parse_mailbox_urls",
    "parse_rate",
    "parse_relay_url",
    "stored_rate",
]
