"""A real Dovecot with mailboxes: POP3, POP3S, IMAP and IMAPS on 127.0.0.2, users and maildirs of its own.

Not on 127.0.0.1: there it takes its clients, who come from that address, for secured ones, and lets them log in without TLS.
"""

import contextlib
import os
import pwd
import re
import socket
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from mailsvc.mailaccess.account import Credentials
from tests.support.certificates import make_certificates
from tests.support.dovecot import token_passdb
from tests.support.rootserver import RootServer, free_ports, run_as_root

__all__ = ["HOST", "MAILS", "PASSWORD", "MailHost", "why_no_mailhost"]

HOST = "127.0.0.2"
PASSWORD = "pass wörd"

# Dots, a line of 300,000 bytes, bytes that are no text, nothing.
MAILS = (
    b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n",
    b"Subject: bytes\r\n\r\n\xff\xfe\x80 \x01\r\n",
    b"Subject: none\r\n\r\n",
)

# Delays and penalties after wrong passwords would make tests of wrong passwords slow.
_CONFIGURATION = """
protocols = pop3 imap
listen = {host}
base_dir = {directory}/run
log_path = {directory}/log
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = yes
auth_mechanisms = plain login{mechanisms}
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 1000
pop3_lock_session = {lock}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service imap-login {{
  service_count = 0
  client_limit = 1000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{tokens}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users/%u
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}/home/%u
}}
"""


def why_no_mailhost() -> str | None:
    """Why it can't be started although Dovecot can, in a sentence; None where it can."""
    for program in ("/usr/lib/dovecot/pop3", "/usr/lib/dovecot/imap"):
        if not os.access(program, os.X_OK):
            return f"{program} is missing: run .ci/system-packages"
    return None


class MailHost(RootServer):
    """Ports are in ``pop3 pop3s imap imaps``; ``ca_pem`` is what its clients trust.

    Args:
        lock: a POP3 session has its mailbox for itself.
        introspection_url: where access tokens are checked; None where it takes none.
    """

    def __init__(self, *, lock: bool = True, introspection_url: str | None = None) -> None:
        super().__init__("mailhost")
        certificates = make_certificates(self.directory, HOST)
        self.ca_pem = certificates.ca.read_text()
        self.pop3, self.pop3s, self.imap, self.imaps = free_ports(HOST, 4)
        # A file for each: Dovecot looks at most once a second whether a file has changed.
        self._users = self.directory / "users"
        self._users.mkdir()
        self._delivered, self._made = count(1), count(1)
        self._configuration = self.directory / "dovecot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                host=HOST,
                directory=self.directory,
                certificate=certificates.good,
                lock="yes" if lock else "no",
                mechanisms=" xoauth2 oauthbearer" if introspection_url else "",
                tokens=token_passdb(self.directory, introspection_url),
                pop3=self.pop3,
                pop3s=self.pop3s,
                imap=self.imap,
                imaps=self.imaps,
            )
        )
        self.home = self.directory / "home"
        self.home.mkdir()
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch("/usr/sbin/dovecot", "-F", "-c", str(self._configuration))
        self.wait_until(self._answers)

    def new_user(self) -> Credentials:
        """Somebody new, whose mailbox holds ``MAILS``."""
        name = f"user{next(self._made)}"
        self.add_user(name, PASSWORD)
        for mail in MAILS:
            self.deliver(name, mail)
        return Credentials(name, PASSWORD)

    def add_user(self, name: str, password: str) -> None:
        """A new account with an empty mailbox; the password has no colon."""
        (self._users / name).write_text(f"{name}:{{PLAIN}}{password}\n")
        run_as_root("mkdir", "-p", *(str(self._maildir(name, part)) for part in ("new", "cur", "tmp")))
        self._give_away(name)

    def deliver(self, name: str, message: bytes) -> None:
        """Put a message into the mailbox, as a delivery agent would."""
        parcel = self.directory / f"message-{next(self._delivered)}"
        parcel.write_bytes(message)
        parcel.chmod(0o644)
        run_as_root("cp", str(parcel), str(self._maildir(name, "tmp")))
        self._give_away(name)
        run_as_root("mv", str(self._maildir(name, "tmp") / parcel.name), str(self._maildir(name, "new")))

    def deliver_many(self, name: str, messages: Sequence[bytes]) -> None:
        """Put messages into the mailbox at once, which is quicker."""
        parcels = self.directory / f"parcels-{next(self._delivered)}"
        parcels.mkdir()
        for message in messages:
            parcel = parcels / f"message-{next(self._delivered)}"
            parcel.write_bytes(message)
        new = self._maildir(name, "new")
        run_as_root(
            "bash", "-c", f"chown -R nobody:nogroup {parcels} && chmod 644 {parcels}/* && mv {parcels}/* {new}/"
        )

    def stored(self, name: str) -> int:
        """How many messages are in the mailbox."""
        found = run_as_root("find", str(self._maildir(name, "new")), str(self._maildir(name, "cur")), "-type", "f")
        return len(found.splitlines())

    def forget_uids(self, name: str) -> None:
        """Have the mailbox begin again with a new UIDVALIDITY, as after a restored backup."""
        found = re.search(r"\bV(\d+)", run_as_root("cat", str(self.home / name / "Maildir" / "dovecot-uidlist")))
        # Dovecot takes the time in seconds: within the same second, it would be the same UIDVALIDITY.
        while found is not None and time.time() < int(found[1]) + 1:
            time.sleep(0.01)
        run_as_root("bash", "-c", f"rm -f {self.home / name / 'Maildir'}/dovecot*")

    def _maildir(self, name: str, part: str) -> Path:
        return self.home / name / "Maildir" / part

    def _give_away(self, name: str) -> None:
        group = pwd.getpwnam("nobody").pw_gid
        run_as_root("chown", "-R", f"nobody:{group}", str(self.home / name))

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.pop3s), timeout=1):
            return True
        return False
