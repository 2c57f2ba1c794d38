"""The text for a new user: the key, a note that it is a sandbox, and a first message to copy and paste."""

import shlex

from mailsvc.settings import Settings

__all__ = ["banner", "key_line"]


def key_line(settings: Settings, key: str) -> str:
    """The line that is printed about the first key, at the start that created it."""
    return f"\nYour API key (kept in {settings.data_dir.resolve() / 'api-key'}): {key}\n"


def banner(settings: Settings, url: str) -> str:
    """The text that ``mailsvc serve`` prints once if there is no relay."""
    key_file = settings.data_dir.resolve() / "api-key"
    body = '{"from": "you@example.org", "to": "ok@sandbox.test", "subject": "Hello", "text": "It works."}'
    bearer = f'"Authorization: Bearer $(cat {shlex.quote(str(key_file))})"'
    return f"""
*** SANDBOX: no relay is configured, so mail goes to a test server on this machine and reaches nobody. ***
    To send for real: MAILSVC_RELAY_URL=smtp://user:password@host:587

Send a first message:

  curl -sS {url}/v1/messages -H {bearer} \\
    -H 'Content-Type: application/json' -d '{body}'

Have somebody answer: send one to reply@sandbox.test.

Read the events:

  curl -sS '{url}/v1/events?after=beginning' -H {bearer}

"""
