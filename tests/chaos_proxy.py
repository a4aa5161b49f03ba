"""A TCP proxy that treats connections as bad networks do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65536


class Proxy:
    """Forwards connections to a server, until it is told to lose what the server answers."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._losing = threading.Event()
        self._mute = threading.Event()
        self.lost = 0
        """Answers that never arrived."""

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def lose(self, losing: bool) -> None:
        """While this holds, the next answer on every connection is lost and the connection cut: its calls were done."""
        (self._losing.set if losing else self._losing.clear)()

    def mute(self, mute: bool) -> None:
        """While this holds, every answer is lost and no connection ends: they are half-open."""
        (self._mute.set if mute else self._mute.clear)()
        if not mute:
            self.cut()  # what has lost an answer cannot go on

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    self._pairs.append((client, server))
                threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if answers and self._mute.is_set():
                    self.lost += 1
                    continue
                if answers and self._losing.is_set():
                    self.lost += 1
                    break
                target.sendall(data)
        _close(source, target)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
