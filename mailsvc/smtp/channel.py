"""The connection below a session: TCP, and TLS on top of it once that has begun. Knows which bytes are not sent yet."""

import asyncio
import socket
import ssl

from mailsvc.domain.attempt import Tls

__all__ = ["Channel"]

_ESTABLISHED = 1  # a state of tcp_info


class Channel:
    """An open transport, and the one below it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._take(transport, _beneath(transport))
        self._socket = transport.get_extra_info("socket")

    def _take(self, transport: asyncio.Transport, beneath: asyncio.Transport) -> None:
        self._transport, self._beneath = transport, beneath
        self._reports_unsent = False

    @property
    def own_address(self) -> str:
        """The address of our end."""
        return str(self._socket.getsockname()[0])

    def write(self, data: bytes | memoryview) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() + self._beneath.get_write_buffer_size()

    def report_unsent(self) -> None:
        """From now on, every change of the unsent bytes calls pause_writing or resume_writing of the protocol."""
        if not self._reports_unsent:
            self._beneath.set_write_buffer_limits(high=0, low=0)
            self._transport.set_write_buffer_limits(high=0, low=0)
            self._reports_unsent = True

    def is_connected(self) -> bool:
        """Whether TCP is established, as far as the kernel knows."""
        # poll(2) would release the GIL, for which other threads wait; this asks the kernel without releasing it.
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED)

    async def start_tls(self, protocol: asyncio.Protocol, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """Start TLS on the connection; raises OSError if that fails."""
        plain = self._transport
        protected = await asyncio.get_running_loop().start_tls(
            plain, protocol, context, server_hostname=name, ssl_handshake_timeout=seconds
        )
        if protected is None:
            raise ConnectionResetError
        self._take(protected, plain)

    def tls(self, *, verified: bool) -> Tls | None:
        """The connection's TLS, if it has any."""
        ssl_object = self._transport.get_extra_info("ssl_object")
        if ssl_object is None:
            return None
        cipher = ssl_object.cipher()
        return Tls(ssl_object.version() or "", cipher[0] if cipher else "", verified)


def _beneath(transport: asyncio.Transport) -> asyncio.Transport:
    """The socket's transport below a TLS transport. asyncio doesn't expose it, but it can hold unsent bytes."""
    found = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return found if isinstance(found, asyncio.Transport) else transport
