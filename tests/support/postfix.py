"""A real Postfix as a submission server, with logins by a real Dovecot, and with recipients that simulate failures.

It listens on 127.0.0.2 only, delivers mail of every domain to its own maildirs, and sends nothing to other hosts.

| recipient            | the reply to RCPT                                                     |
| -------------------- | --------------------------------------------------------------------- |
| ``nobody…@``         | 550 5.1.1 unknown user                                                |
| ``full…@``           | 552 5.2.2 over quota                                                  |
| ``blocked…@``        | 554 5.7.1 refused by policy                                           |
| ``later…@``          | 451 4.3.0 every time                                                  |
| ``grey…@``           | 450 4.2.0 at the first ``policy.greylisted_tries`` of a sender (1)    |
| ``gone…@``           | 250; the mail then comes back to its sender (5.1.1)                    |
| ``…@nowhere.test``   | 550 5.1.2 unknown domain                                              |
| anybody else         | 250; the mail is then in ``messages()``                               |

A subject with ``GTUBE`` is refused after the dot (550 5.7.1). ``policy.say(…)`` sets all other replies.
"""

import os
import pwd
import re
import smtplib
import time
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Literal, get_args

from mailsvc.domain.relay import Relay, Timeouts
from tests.support.certificates import make_certificates
from tests.support.dovecot import Dovecot
from tests.support.policy import Policy
from tests.support.rootserver import RootServer, free_ports, run_as_root

__all__ = ["Listener", "Postfix", "Stored"]

HOST = "127.0.0.2"  # not the clients' own address: Dovecot takes such a client for a secured one
PASSABLE = Timeouts(connect=5, greeting=10, ehlo=10, mail=10, rcpt=10, data=10, body=10, eom=20)

Listener = Literal[
    "submission", "implicit", "no_starttls", "expired", "wrong_name", "untrusted", "few", "small", "owner", "bare"
]
_LIBEXEC = "/usr/lib/postfix/sbin"
_MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
syslog_name = postfix
myhostname = mx.postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
biff = no
smtputf8_enable = yes
strict_smtputf8 = no

# Mail of every domain is kept here, and none leaves.
virtual_mailbox_domains = regexp:{directory}/domains
virtual_mailbox_maps = regexp:{directory}/mailboxes
virtual_mailbox_base = {directory}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = regexp:{directory}/transports
default_transport = error:5.4.4 this Postfix sends nothing anywhere
relay_transport = $default_transport

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {directory}/good.pem
smtpd_tls_session_cache_database =

smtpd_delay_reject = no
smtpd_client_restrictions = {policy}
smtpd_sender_restrictions = {policy}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{directory}/recipients, reject_unlisted_recipient, {policy}
smtpd_data_restrictions = {policy}
smtpd_end_of_data_restrictions = {policy}
header_checks = regexp:{directory}/headers
# Clients with many errors are made to wait, and after smtpd_hard_error_limit (20) sent away: here only the latter.
smtpd_error_sleep_time = 0
"""
_MASTER = """
postlog   unix-dgram n  -  n  -  1  postlogd
cleanup   unix  n  -  n  -  0  cleanup
qmgr      unix  n  -  n  300  1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -  -  trivial-rewrite
bounce    unix  -  -  n  -  0  bounce
defer     unix  -  -  n  -  0  bounce
trace     unix  -  -  n  -  0  bounce
verify    unix  -  -  n  -  1  verify
flush     unix  n  -  n  1000?  0  flush
proxymap  unix  -  -  n  -  -  proxymap
error     unix  -  -  n  -  -  error
retry     unix  -  -  n  -  -  error
virtual   unix  -  n  n  -  -  virtual
gone      unix  -  n  n  -  -  pipe user=nobody argv={directory}/gone
anvil     unix  -  -  n  -  1  anvil
"""
_NO_USER = """#!/bin/sh
echo There was never such a user here
exit 67  # EX_NOUSER of sysexits.h
"""
_OPTIONS: dict[Listener, dict[str, str]] = {
    "submission": {},
    "implicit": {"smtpd_tls_wrappermode": "yes"},
    "no_starttls": {"smtpd_tls_security_level": "none", "smtpd_tls_auth_only": "no"},
    "expired": {"smtpd_tls_chain_files": "{directory}/expired.pem"},
    "wrong_name": {"smtpd_tls_chain_files": "{directory}/wrong_name.pem"},
    "untrusted": {"smtpd_tls_chain_files": "{directory}/untrusted.pem"},
    "few": {"smtpd_recipient_limit": "5"},
    "small": {"message_size_limit": "20000", "smtpd_discard_ehlo_keywords": "size"},
    "owner": {"smtpd_sender_login_maps": "regexp:{directory}/owners", "smtpd_sender_restrictions": "{owner}"},
    "bare": {"smtpd_discard_ehlo_keywords": "pipelining,size,8bitmime,smtputf8,dsn,enhancedstatuscodes,chunking"},
}
_TABLES = {
    "domains": "/./ kept\n",
    "mailboxes": "if !/^nobody/\n/@/ inbox/\nendif\n",
    "recipients": (
        "/^full[^@]*@/ 552 5.2.2 The mailbox is full\n"
        "/^blocked[^@]*@/ 554 5.7.1 We want no mail from you\n"
        "/^later[^@]*@/ 451 4.3.0 Temporary trouble here\n"
        "/@nowhere\\.test$/ 550 5.1.2 There is no such domain\n"
    ),
    "transports": "/^gone[^@]*@/ gone:\n",
    "headers": "/^Subject:.*GTUBE/ REJECT 5.7.1 This looks like spam\n",
    "owners": "/^owner@app\\.test$/ {username}\n/./ somebody-else\n",
}


@dataclass(frozen=True)
class Stored:
    """One delivered message; Postfix has added Return-Path, X-Original-To, Delivered-To and Received."""

    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.raw, _class=EmailMessage, policy=SMTP)

    @property
    def recipient(self) -> str:
        return str(self.parsed["X-Original-To"])


class Postfix(RootServer):
    """One server with many doors (ports), with different extensions and TLS.

    ``submission``: STARTTLS required, AUTH, all extensions · ``implicit``: TLS from the first byte · ``no_starttls`` · ``expired``,
    ``wrong_name``, ``untrusted``: by their certificates · ``few``: five recipients per message, then 452 4.5.3 · ``small``: 20,000 bytes, which
    EHLO doesn't announce · ``owner``: MAIL FROM ``owner@app.test`` only, else 553 5.7.1 · ``bare``: no extension but STARTTLS and AUTH.
    """

    username, password, host = "app", "s3cret-pass", HOST

    def __init__(self, *, introspection_url: str | None = None, **settings: str) -> None:
        """Start it, with additional settings of ``main.cf``.

        Args:
            introspection_url: where access tokens are checked; without it, none are taken.
        """
        self.dovecot = Dovecot(username=self.username, password=self.password, introspection_url=introspection_url)
        self.policy = Policy()
        super().__init__("postfix")
        self._log_seen = 0
        self.ca_path = make_certificates(self.directory, HOST).ca
        self.ca_pem = self.ca_path.read_text()
        doors: tuple[Listener, ...] = get_args(Listener)
        self.ports: dict[Listener, int] = dict(zip(doors, free_ports(HOST, len(doors)), strict=True))
        try:
            self._configure(settings)
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def port(self) -> int:
        return self.ports["submission"]

    @property
    def relay_url(self) -> str:
        """The URL for ``MAILSVC_RELAY_URL``."""
        return f"smtp://{self.username}:{self.password}@{HOST}:{self.port}?ca={self.ca_path}"

    def relay(self, listener: Listener = "submission", **given: Any) -> Relay:
        """An account here, as delivery knows it; ``given`` are fields of ``Relay``."""
        fields: dict[str, Any] = {
            "tls": "implicit" if listener == "implicit" else "starttls",
            "ca_pem": self.ca_pem,
            "username": self.username,
            "password": self.password,
            "timeouts": PASSABLE,
        }
        return Relay(id="rly_1", name=listener, host=HOST, port=self.ports[listener], **{**fields, **given})

    def messages(self, recipient: str | None = None) -> list[Stored]:
        """Return the stored messages, for one recipient or all. Postfix stores them a moment after its 250."""
        found = [Stored(path.read_bytes()) for path in sorted(self._inbox.glob("new/*"))]
        return [stored for stored in found if recipient in (None, stored.recipient)]

    def wait_for_messages(self, count: int = 1, recipient: str | None = None, seconds: float = 30) -> list[Stored]:
        """Wait until this number of messages is stored, and return them."""
        deadline = time.monotonic() + seconds
        while len(found := self.messages(recipient)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} mails in {seconds} s:\n{self.log()}"
            time.sleep(0.02)
        return found

    def wait_for_log(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first line since ``forget`` that has the pattern; lines name the listener, ``postfix/expired/smtpd[…]: …``."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self._log_since()[0])):
            assert time.monotonic() < deadline, f"nothing like {pattern} in {seconds} s:\n{self.log()}"
            time.sleep(0.02)
        return found

    def _log_since(self) -> tuple[str, int]:
        if not self.log_path.exists():
            return "", 0
        with self.log_path.open("rb") as file:
            file.seek(self._log_seen)
            return file.read().decode(errors="replace"), file.tell()

    def forget(self) -> None:
        """Reset for the next test: no mail (also none in the queue), no policy responses, an empty log."""
        self.policy.forget()
        deadline = time.monotonic() + 30
        while self._queued():
            assert time.monotonic() < deadline, f"the queue doesn't empty:\n{self.log()}"
            time.sleep(0.02)
        self._log_seen = self._log_since()[1]
        for path in self._inbox.glob("new/*"):
            path.unlink()

    def _greets(self) -> bool:
        # Until the end of a whole session: otherwise the rest of it would use up responses that a test sets.
        try:
            with smtplib.SMTP(HOST, self.port, timeout=PASSABLE.greeting) as client:
                return client.noop()[0] == 250
        except OSError:
            return False

    def _queued(self) -> str:
        # Twice, in the order in which mail moves: so a bounce that is added meanwhile is found.
        queues = [str(self.directory / "queue" / name) for name in ("incoming", "active") * 2]
        return run_as_root("find", *queues, "-ignore_readdir_race", "-type", "f")

    def start(self) -> None:
        """Start it and wait until it responds."""
        self.launch(f"{_LIBEXEC}/master", "-c", str(self._configuration))
        self.wait_until(self._greets)

    def remove(self) -> None:
        super().remove()
        self.dovecot.remove()
        self.policy.close()

    # Setup

    @property
    def _inbox(self) -> Path:
        return self.directory / "mail" / "inbox"

    @property
    def _configuration(self) -> Path:
        return self.directory / "etc"

    def _configure(self, settings: dict[str, str]) -> None:
        for name in ("etc", "queue", "data", "mail"):
            (self.directory / name).mkdir(mode=0o755)
        owner = pwd.getpwuid(os.geteuid() or pwd.getpwnam("nobody").pw_uid)  # Postfix delivers to nobody below 100
        values = {
            "directory": str(self.directory),
            "uid": str(owner.pw_uid),
            "gid": str(owner.pw_gid),
            "sasl": str(self.dovecot.socket),
            "policy": f"check_policy_service inet:127.0.0.1:{self.policy.port}",
            "owner": "reject_sender_login_mismatch",
            "username": self.username,
        }
        for name, table in _TABLES.items():
            (self.directory / name).write_text(table.replace("{username}", self.username))
        further = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._configuration / "main.cf").write_text(_MAIN.format(**values) + further)
        (self._configuration / "master.cf").write_text(_MASTER.format(**values) + self._doors(values))
        refusal = self.directory / "gone"
        refusal.write_text(_NO_USER)
        refusal.chmod(0o755)
        run_as_root("chown", "postfix", f"{self.directory}/data")
        run_as_root("chown", f"{owner.pw_uid}:{owner.pw_gid}", f"{self.directory}/mail")
        run_as_root("/usr/sbin/postfix", "-c", str(self._configuration), "check")

    def _doors(self, values: dict[str, str]) -> str:
        lines = []
        for listener, port in self.ports.items():
            lines += [f"{HOST}:{port} inet n - n - - smtpd", f"  -o syslog_name=postfix/{listener}"]
            lines += [f"  -o {{{name} = {value.format(**values)}}}" for name, value in _OPTIONS[listener].items()]
        return "\n".join(lines) + "\n"
