"""The services of compose.yaml as plain processes, where there is no container engine.

What `docker-compose config` makes of the file is taken as it is: each service's entrypoint, command, environment,
health check, mounts, secrets, dependencies, stop signal and grace period. A process differs from a container in three
things, and `Processes` maps them, in commands, variables and configuration files alike:

- paths: a mounted volume, a secret or a tmpfs is a folder or a file of this machine; a file of ours that the image
  holds is the one that it is copied from; every other path that the image names in its environment is in `root`, where
  nothing may be written;
- addresses: all services share one network, so that `redis:6379` is 127.0.0.1 with a free port, and so is each port
  that a service listens on itself (its `expose` and `ports`). Prometheus gets the address of `vision` instead of
  looking in DNS;
- programs: a folder, which is all of PATH but the system's own, has the name of each program that the images have.

Users, capabilities, limits and read-only file systems are not enforced here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dockerfile import ROOT, Dockerfile
from free_ports import free_port
from ops_tools import tool

_IMAGES_OF_OTHERS = {"prom/prometheus": ["prometheus"], "redis": []}
"""The entrypoint of each image that is not ours; that of Redis runs its arguments."""

_UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


def compose_config(project: Path, *profiles: str, **variables: str) -> dict[str, Any]:
    """Return compose.yaml as Compose reads it, relative paths taken from `project`, with these variables alone."""
    command = [tool("docker-compose"), "--project-directory", str(project), "--file", str(ROOT / "compose.yaml")]
    profile_options = [part for profile in profiles for part in ("--profile", profile)]
    done = subprocess.run(
        [*command, *profile_options, "config", "--format", "json"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(project), **variables},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = json.loads(done.stdout.replace("$$", "$"))
    return config


def seconds(text: str) -> float:
    """Return a duration as Compose writes it: 1m30s."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))


class Processes:
    """Services of a composition as child processes; what still runs at the end of the context is killed."""

    def __init__(self, config: Mapping[str, Any], folder: Path, programs: Mapping[str, Sequence[str]]) -> None:
        """`folder` gets a root for each service, volumes and logs. `programs`: what stands for each program's name."""
        self._services: dict[str, dict[str, Any]] = dict(config["services"])
        self._secrets = {name: secret["file"] for name, secret in config["secrets"].items()}
        self._dockerfile = Dockerfile()
        self._folder = folder
        self._bin = folder / "bin"
        self._ports = {
            (name, port): free_port() for name, service in self._services.items() for port in _listens_on(service)
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._healthy: set[str] = set()
        self._bin.mkdir(parents=True)
        for program, words in programs.items():
            path = self._bin / program
            path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            path.chmod(0o755)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # What there is

    def port(self, service: str, port: int) -> int:
        """Return where this machine has a service's port."""
        return self._ports[service, port]

    def log(self, service: str) -> Path:
        """Return the file of what a service has said."""
        return self._folder / "logs" / f"{service}.log"

    def root(self, service: str) -> Path:
        """Return the folder that stands for a service's read-only file system: nothing may be in it."""
        return self._folder / "roots" / service

    def volume(self, name: str) -> Path:
        """Return the folder of a named volume."""
        return self._folder / "volumes" / name

    # Starting and stopping

    def up(self, *names: str, without: Sequence[str] = ()) -> None:
        """Start services, by default all, each after those that it depends on, and wait until all are healthy."""
        wanted = [name for name in self._in_order(names or tuple(self._services)) if name not in without]
        for name in wanted:
            if name not in self._running:
                for other, how in self._services[name].get("depends_on", {}).items():
                    if how["condition"] == "service_healthy":
                        self._wait_until_healthy(other)
                self._start(name)
        for name in wanted:
            self._wait_until_healthy(name)

    def run(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a service once with another command, as `docker compose run` does."""
        return subprocess.run(
            self._command(service, arguments or None),
            capture_output=True,
            text=True,
            env={**self._environment(service), "COLUMNS": "160"},
            cwd=self._prepared(service),
            timeout=120,
            check=False,
        )

    def down(self) -> dict[str, int]:
        """Stop each service before those that it depends on, by its own signal; return their exit statuses."""
        statuses: dict[str, int] = {}
        while left := [name for name in self._running if name not in statuses]:
            needed = {other for name in left for other in self._services[name].get("depends_on", {})}
            last = [name for name in left if name not in needed]
            for name in last:
                self._running[name].send_signal(self._stop_signal(name))
            for name in last:
                statuses[name] = self._running[name].wait(seconds(self._services[name].get("stop_grace_period", "10s")))
        return statuses

    def _in_order(self, names: Sequence[str]) -> list[str]:
        found: list[str] = []
        for name in names:
            for one in (*self._in_order(tuple(self._services[name].get("depends_on", ()))), name):
                if one not in found:
                    found.append(one)
        return found

    def _start(self, name: str) -> None:
        self.log(name).parent.mkdir(exist_ok=True)
        with self.log(name).open("wb") as output:
            self._running[name] = subprocess.Popen(
                self._command(name),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(name),
                cwd=self._prepared(name),
                start_new_session=True,
            )

    def _wait_until_healthy(self, name: str) -> None:
        if name in self._healthy:
            return
        check = self._services[name]["healthcheck"]
        kind, *words = [self._mapped(name, word) for word in check["test"]]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        until_s = time.monotonic() + seconds(check["start_period"])
        while True:
            process = self._running[name]
            assert process.poll() is None, f"{name} has ended: {self.log(name).read_text()[-2000:]}"
            done = subprocess.run(
                [self._found(command[0]), *command[1:]],
                capture_output=True,
                text=True,
                env=self._environment(name),
                timeout=30,
                check=False,
            )
            if done.returncode == 0:
                self._healthy.add(name)
                return
            assert time.monotonic() < until_s, (
                f"{name} is not healthy: {done.stderr}{self.log(name).read_text()[-2000:]}"
            )
            time.sleep(0.3)

    def _stop_signal(self, name: str) -> signal.Signals:
        service = self._services[name]
        own = self._dockerfile.last(service["build"]["target"], "STOPSIGNAL") if "build" in service else "SIGTERM"
        return signal.Signals[service.get("stop_signal", own)]

    # What differs from a container

    def _command(self, name: str, arguments: Sequence[str] | None = None) -> list[str]:
        service = self._services[name]
        if service.get("entrypoint"):
            entrypoint = service["entrypoint"]
        elif "build" in service:
            entrypoint = self._dockerfile.entrypoint(service["build"]["target"])
        else:
            entrypoint = _IMAGES_OF_OTHERS[service["image"].partition(":")[0]]
        program, *words = [
            self._mapped(name, word)
            for word in (*entrypoint, *(service["command"] if arguments is None else arguments))
        ]
        return [self._found(program), *words]

    def _found(self, program: str) -> str:
        path = shutil.which(program, path=self._path)
        assert path, f"there is no {program} in the images, as far as this machine knows them"
        return path

    @property
    def _path(self) -> str:
        return f"{self._bin}:/usr/bin:/bin"

    def _environment(self, name: str) -> dict[str, str]:
        """Return all variables of a service's process: nothing of ours but where its code is."""
        service = self._services[name]
        image = self._dockerfile.environment(service["build"]["target"]) if "build" in service else {}
        temporary = self._mapped(name, "/tmp")
        return {
            "PATH": self._path,
            "LANG": "C.UTF-8",
            "HOME": temporary,
            "TMPDIR": temporary,
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("producer", "shared", "workers", "benchmarks")),
            **{key: self._mapped(name, value) for key, value in {**image, **service.get("environment", {})}.items()},
        }

    def _prepared(self, name: str) -> Path:
        """Make a service's volumes and tmpfs; return its working folder."""
        mounts = self._paths(name)
        for target, kind in self._mounted(name):
            if kind != "bind":
                mounts[target].mkdir(parents=True, exist_ok=True)
            elif "/ops/" in str(mounts[target]):
                self._configuration(name, mounts[target])
        for inner, _ in self._mounted(name):
            for outer in (path for path, _ in self._mounted(name) if inner.startswith(f"{path}/")):
                link = mounts[outer] / inner.removeprefix(f"{outer}/")
                if not link.exists():
                    link.symlink_to(mounts[inner])
        working = self._folder / "work" / name
        working.mkdir(parents=True, exist_ok=True)
        return working

    def _mounted(self, name: str) -> Iterator[tuple[str, str]]:
        service = self._services[name]
        for mount in service.get("volumes", ()):
            yield mount["target"], mount["type"]
        for line in service.get("tmpfs", ()):
            yield line.partition(":")[0], "tmpfs"

    def _paths(self, name: str) -> dict[str, Path]:
        """Return what stands for which path of the container; what is mounted hides what the image has there."""
        service = self._services[name]
        paths = {"/tmp": self._folder / "tmp" / name}
        if "build" in service:
            target = service["build"]["target"]
            named = [value for value in self._dockerfile.environment(target).values() if value.startswith("/")]
            paths |= {path: self.root(name) / path.lstrip("/") for path in named}
            paths |= self._dockerfile.copied(target)
        for mount in service.get("volumes", ()):
            source = Path(mount["source"]) if mount["type"] == "bind" else self.volume(mount["source"])
            paths[mount["target"]] = self._folder / "ops" / name / source.name if "/ops/" in str(source) else source
        return paths | {
            secret["target"]: Path(self._secrets[secret["source"]]) for secret in service.get("secrets", ())
        }

    def _configuration(self, name: str, copy: Path) -> None:
        """Copy a service's configuration with its addresses mapped."""
        source = next(
            Path(mount["source"])
            for mount in self._services[name]["volumes"]
            if "/ops/" in mount["source"] and Path(mount["source"]).name == copy.name
        )
        for path in [source] if source.is_file() else [found for found in source.rglob("*") if found.is_file()]:
            to = copy / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_text(self._mapped(name, _by_address(path.read_text("utf-8"))), "utf-8")

    def _mapped(self, name: str, text: str) -> str:
        """Return a text of a service with paths and addresses as this machine has them; all in one pass."""
        paths = self._paths(name)
        own = {str(port): str(here) for (service, port), here in self._ports.items() if service == name}
        hosts = {f"{service}:{port}": f"127.0.0.1:{here}" for (service, port), here in self._ports.items()}
        longest_first = sorted(paths, key=len, reverse=True)
        pattern = "|".join(
            (
                rf"(?P<path>(?<![\w./-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w.-]))",
                rf"(?P<host>(?<![\w.-])(?:{'|'.join(map(re.escape, hosts))})(?!\d))",
                rf"(?P<port>(?<![\d.])(?:{'|'.join(own) or '(?!)'})(?!\d))",
                r"(?P<all>(?<![\d.])0\.0\.0\.0(?![\d.]))",
            )
        )

        def here(found: re.Match[str]) -> str:
            match found.lastgroup:
                case "path":
                    return str(paths[found[0]])
                case "host":
                    return hosts[found[0]]
                case "port":
                    return own[found[0]]
                case _:
                    return "127.0.0.1"

        return re.sub(pattern, here, text)


def _by_address(text: str) -> str:
    """Let Prometheus ask a service by its address instead of looking for all of its containers in DNS."""
    return re.sub(
        r"dns_sd_configs: \[\{names: \[([\w-]+)\], type: A, port: (\d+)\}\]",
        r'static_configs: [{targets: ["\1:\2"]}]',
        text,
    )


def _listens_on(service: Mapping[str, Any]) -> list[int]:
    return sorted(
        {*(int(port) for port in service.get("expose", ())), *(p["target"] for p in service.get("ports", ()))}
    )


def programs(server: Path) -> dict[str, list[str]]:
    """Return what this machine has for the programs of the images; skips the test where something is missing."""
    redis_cli = shutil.which("redis-cli")
    return {
        "redis-server": [str(server)],
        "redis-cli": [redis_cli] if redis_cli else [sys.executable, str(Path(__file__).with_name("redis_cli.py"))],
        "songlens": [sys.executable, "-m", "songlens"],
        "python": [sys.executable],
        "rq-dashboard": [str(Path(sys.executable).with_name("rq-dashboard"))],
        "prometheus": [tool("prometheus")],
        "promtool": [tool("promtool")],
    }
