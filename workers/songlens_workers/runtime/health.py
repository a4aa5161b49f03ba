"""Liveness and readiness from what the loops really did, served beside /metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

from songlens_shared.errors import ConfigError


class Pulse:
    """Remembers when each loop last completed a round."""

    def __init__(self, stuck_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stuck_s = stuck_s
        self._clock = clock
        self._last: dict[str, float] = {}
        self._changing = threading.Lock()

    def beat(self, loop: str) -> None:
        """A loop has just completed a round."""
        with self._changing:
            self._last[loop] = self._clock()

    def rest(self, loop: str) -> None:
        """A loop has nothing to do, and nobody waits for its next round."""
        with self._changing:
            self._last.pop(loop, None)

    def stands_still(self, loop: str) -> bool:
        """Say whether a loop that has something to do completed no round for too long."""
        last = self._last.get(loop)
        return last is not None and self._clock() - last > self._stuck_s

    def faults(self) -> list[str]:
        """Return a sentence for each loop that stands still."""
        now = self._clock()
        return [
            f"the {loop} loop has stood still for {now - last:.0f} s"
            for loop, last in self._last.copy().items()
            if now - last > self._stuck_s
        ]

    def excuse(self) -> None:
        """Count every loop's time from now: what it waits for is not its fault."""
        with self._changing:
            self._last = dict.fromkeys(self._last, self._clock())


class HealthServer:
    """Serves /live, /ready and /metrics on one port."""

    def __init__(
        self, host: str, port: int, *, pulse: Pulse, ready: Callable[[], list[str]], registry: CollectorRegistry
    ) -> None:
        """Listen. `ready` says why the worker cannot serve; `ConfigError` where the port is taken.

        What /live says is put into `registry`, too: not everybody who watches asks for it.
        """
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(pulse, ready, registry))
        except OSError as error:
            raise ConfigError(
                f"metrics_port {port} of {host} cannot be listened on ({error.strerror}); choose another, or 0."
            ) from None
        stuck = Gauge("songlens_stuck_loops", "Loops that stand still; /live is red unless it is 0.", registry=registry)
        stuck.set_function(lambda: len(pulse.faults()))
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        return self._server.server_port

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def abandon(self) -> None:
        """In a process that was forked from ours: let go of the port, which stays ours."""
        self._server.socket.close()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _handler(pulse: Pulse, ready: Callable[[], list[str]], registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                # Exemplars are told in the OpenMetrics format alone, which Prometheus asks for.
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._send(200, content_type, encode(registry))
            elif path == "/live":
                self._report(pulse.faults())
            elif path == "/ready":
                self._report(pulse.faults() + ready())
            else:
                self._send(404, "text/plain", b"/live, /ready or /metrics\n")

        def _report(self, faults: list[str]) -> None:
            text = "\n".join(faults) or "ok"
            self._send(503 if faults else 200, "text/plain; charset=utf-8", text.encode() + b"\n")

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return Handler
