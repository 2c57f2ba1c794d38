"""The port of the API."""

import socket

from mailsvc.settings import BadSetting, Settings

__all__ = ["listen", "open_listener"]


def open_listener(settings: Settings) -> socket.socket:
    """Open the port of MAILSVC_BIND. Raises BadSetting."""
    try:
        return listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadSetting(f"MAILSVC_BIND {settings.bind} can't be used: {reason}.") from error


def listen(host: str, port: int) -> socket.socket:
    """Open the port on the first address of the host on which it is free.

    Raises:
        OSError: there is no such address, or it is not free.
    """
    failure = OSError(f"{host} has no address")
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # the kernel may have no IPv6, whatever /etc/hosts says
            failure = error
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit it. Without it, a response's body waits 40 ms until its head is acknowledged.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(address)
            listener.listen(socket.SOMAXCONN)
        except OSError as error:
            listener.close()
            failure = error
        else:
            return listener
    raise failure
