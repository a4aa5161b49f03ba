"""mosec, an HTTP server that batches, with a Rust core: https://github.com/mosecorg/mosec. Linux and macOS only."""

from __future__ import annotations

import importlib.util
import json
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from songlens_benchmarks.device import Device
from songlens_benchmarks.programs import Program, running

INSTALLED = importlib.util.find_spec("mosec") is not None
DEVICE_VARIABLE = "SONGLENS_BENCHMARK_DEVICE"


@contextmanager
def mosec(device: Device) -> Iterator[tuple[int, int]]:
    """Start the server, wait until it serves, and end it; yields its port and its process id."""
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        port = _free_port()
        server = Program(
            "mosec",
            [
                *("-m", "songlens_benchmarks.mosec_server"),
                *("--address", "127.0.0.1", "--port", str(port), "--path", f"{folder}/ipc", "--timeout", "60000"),
                *("--log-level", "warning"),
            ],
            log=Path(folder) / "mosec.log",
            environment={DEVICE_VARIABLE: json.dumps(asdict(device))},
        )
        with running(server):
            server.until(lambda: _answers(port))
            yield port, server.pid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/inference", data=b"a first request")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
