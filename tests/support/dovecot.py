"""A real Dovecot; so far only its SASL server, which Postfix uses to check logins."""

from pathlib import Path

from tests.support.rootserver import RootServer, run_as_root

__all__ = ["Dovecot", "token_passdb"]

# Delays and penalties after wrong passwords would make the tests of them slow.
_CONFIGURATION = """
protocols = none
listen = 127.0.0.2
base_dir = {directory}/run
log_path = {directory}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
{tokens}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}/home
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


# Each access token is asked about at the authorization server (RFC 7662).
_TOKENS = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {path}
}}
"""
_INTROSPECTION = """
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


def token_passdb(directory: Path, introspection_url: str | None) -> str:
    """The part of a configuration that admits users with access tokens."""
    if introspection_url is None:
        return ""
    path = directory / "oauth2.conf"
    path.write_text(_INTROSPECTION.format(url=introspection_url))
    return _TOKENS.format(path=path)


class Dovecot(RootServer):
    """Has one user; listens on ``socket``.

    Args:
        introspection_url: where access tokens are checked; None where it takes none.
    """

    def __init__(
        self,
        *,
        username: str,
        password: str,
        mechanisms: str = "plain login cram-md5 scram-sha-256",
        introspection_url: str | None = None,
    ) -> None:
        super().__init__("dovecot")
        self.socket = self.directory / "sasl"
        users = self.directory / "users"
        users.write_text(f"{username}:{{PLAIN}}{password}\n")
        self._configuration = self.directory / "dovecot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                directory=self.directory,
                socket=self.socket,
                mechanisms=mechanisms + (" xoauth2 oauthbearer" if introspection_url else ""),
                tokens=token_passdb(self.directory, introspection_url),
            )
        )
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start it and wait until it responds."""
        # The socket of a killed server is no sign of life.
        run_as_root("rm", "-f", str(self.socket))
        self.launch("/usr/sbin/dovecot", "-F", "-c", str(self._configuration))
        self.wait_until(self.socket.exists)
