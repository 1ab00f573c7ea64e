"""A connection as uvicorn serves it, with an end to the patience that it has with a client.

uvicorn waits for ever for a client that connects and is silent, that stops in the middle of a
request, or that does not read its answer, and takes headers of any length. A proxy in front that
reads requests before it forwards them, as the page's nginx does, keeps such clients away; this
keeps the application safe without one.
"""

from asyncio import TimerHandle, Transport
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
"""From a connection's begin, or a request's first byte, to the end of the request's headers."""

PIECE_SECONDS: Final = 10.0
"""Between two pieces of a body."""

UNREAD_SECONDS: Final = 30.0
"""For which a client reads nothing of an answer that waits for it."""

HEAD_BYTES: Final = 64 * 1024
"""Of headers, and of what came with them; proxies take less (nginx: 32 KiB)."""

HEAD, BODY, NOTHING = "headers", "body", "nothing"


class Connection(HttpToolsProtocol):
    """One connection. Timers run only while something is missing, and for most requests never."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self._awaited = HEAD
        self._head_bytes = 0
        self._reading: TimerHandle | None = None
        self._writing: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._reading = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was awaited."""
        self._stop_reading_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and wait for the rest of it if there is one."""
        super().data_received(data)
        if self._awaited is NOTHING:
            if self._reading is not None:
                self._stop_reading_timer()
        elif self._awaited is BODY:
            self._stop_reading_timer()
            self._reading = self.loop.call_later(PIECE_SECONDS, self._give_up)
        else:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
            elif self._reading is None:
                self._reading = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._awaited, self._head_bytes = HEAD, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a body may follow."""
        self._awaited = BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._awaited = NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or for the client to read the last answer."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._await_reader()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without a next request; what its client does not read is dropped."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _await_reader(self) -> None:
        if self._writing is None:
            self._writing = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def _stop_reading_timer(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _give_up(self) -> None:
        """End a connection whose client has not sent what was awaited in time."""
        self._reading = None
        if self._awaited is BODY and self.flow.read_paused:
            # The application reads slowly, not the client writes slowly.
            self._reading = self.loop.call_later(PIECE_SECONDS, self._give_up)
        else:
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """Close, with a word about it to a client that has sent a part of a request."""
        answer_has_begun = self.cycle is not None and self.cycle.response_started
        silent = self._awaited is HEAD and not self._head_bytes
        if not silent and not (self._awaited is BODY and answer_has_begun):
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.transport.close()
