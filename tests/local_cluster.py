"""A real Redis Cluster on loopback: three primaries, each with a third of the slots, and replicas where wanted."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from free_ports import free_port

from songlens_shared.broker import connect
from songlens_workers.embedded import _answers, _wheel_binary

PRIMARIES = 3
SLOTS = 16384

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 10.0
_STARTS_TRIED = 5


class Node:
    """One server of the cluster."""

    def __init__(self, folder: Path, binary: Path, node_timeout_ms: int) -> None:
        folder.mkdir(parents=True)
        self.port, self._bus_port = free_port(), free_port()
        options: dict[str, Any] = {
            "port": self.port,
            "cluster-port": self._bus_port,
            "bind": "127.0.0.1",
            "dir": folder,
            "save": "",
            "appendonly": "no",
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": node_timeout_ms,
            "repl-diskless-sync-delay": 0,
        }
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", str(value))]
        self._log = (folder / "server.log").open("ab")
        self.process = subprocess.Popen([str(binary), *arguments], stdout=self._log, stderr=subprocess.STDOUT)
        self.connection = connect(self.url, retries=0)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def id(self) -> str:
        return str(self.tell("MYID"), "ascii")

    def tell(self, *words: str | int) -> Any:
        """Send one CLUSTER command, and return the answer as it comes."""
        link = self.connection.connection_pool.get_connection()
        try:
            link.send_command("CLUSTER", *words)
            return link.read_response()
        finally:
            self.connection.connection_pool.release(link)

    def meet(self, other: Node) -> None:
        self.tell("MEET", "127.0.0.1", other.port, other._bus_port)

    def comes_up(self) -> bool:
        """Wait until it answers; False where it ends, as it does when somebody has just taken one of its ports."""
        until_s = time.monotonic() + _START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < until_s:
            if _answers(self.connection, self.process.pid):
                return True
            time.sleep(0.02)
        return False

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def kill(self) -> None:
        """End the server as a power cut does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._log.close()


class LocalCluster:
    """Runs from `start` to `stop`; `url` names its first node."""

    def __init__(
        self, folder: Path, *, binary: Path | None = None, replicas: int = 0, node_timeout_ms: int = 2000
    ) -> None:
        self._folder = folder
        self._binary = binary or _wheel_binary()
        self._replicas = replicas
        self._node_timeout_ms = node_timeout_ms
        self._stack = ExitStack()
        self.primaries: list[Node] = []
        self.replicas: list[Node] = []

    @property
    def url(self) -> str:
        return self.primaries[0].url

    @property
    def nodes(self) -> list[Node]:
        return [*self.primaries, *self.replicas]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.primaries = [self._node(f"primary-{number}") for number in range(PRIMARIES)]
        self.replicas = [self._node(f"replica-{number}") for number in range(self._replicas)]
        for number, node in enumerate(self.primaries):
            node.tell("SET-CONFIG-EPOCH", number + 1)
            node.tell("ADDSLOTSRANGE", number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES - 1)
        for node in self.nodes[1:]:
            node.meet(self.primaries[0])
        _wait_for(lambda: all(_known(node) == len(self.nodes) for node in self.nodes), "the nodes know each other")
        for number, replica in enumerate(self.replicas):
            replica.tell("REPLICATE", self.primaries[number % PRIMARIES].id)
        _wait_for(lambda: all(_whole(node) for node in self.nodes), "the cluster is whole")
        _wait_for(lambda: all(_in_step(replica) for replica in self.replicas), "the replicas are in step")

    def wait_until_leading(self, replica: Node, number: int) -> None:
        """Return when the replica of this primary has taken its place, and the old primary follows it."""
        _wait_for(lambda: b"myself,master" in replica.tell("NODES"), "the replica leads")
        _wait_for(lambda: b"myself,slave" in self.primaries[number].tell("NODES"), "the old primary follows")

    def _node(self, name: str) -> Node:
        for attempt in range(_STARTS_TRIED):
            node = Node(self._folder / f"{name}-{attempt}", self._binary, self._node_timeout_ms)
            self._stack.callback(node.stop)
            if node.comes_up():
                return node
        raise AssertionError(f"{name} does not start: {node.log}")


def _known(node: Node) -> int:
    return sum(b"handshake" not in line for line in node.tell("NODES").splitlines() if line.strip())


def _whole(node: Node) -> bool:
    return b"cluster_state:ok" in node.tell("INFO")


def _in_step(replica: Node) -> bool:
    return replica.connection.info("replication").get("master_link_status") == "up"


def _wait_for(condition: Any, what: str) -> None:
    until_s = time.monotonic() + _START_LIMIT_S
    while not condition():
        assert time.monotonic() < until_s, f"not within {_START_LIMIT_S} s: {what}"
        time.sleep(0.05)
