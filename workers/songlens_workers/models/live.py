"""Follows the live version: a new one is loaded in the background, and the old one serves until it is ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import redis
import structlog
from redis.exceptions import RedisClusterException

from songlens_shared.cluster import RedisFault
from songlens_shared.errors import NoModel, SonglensError
from songlens_workers.runtime.metrics import ModelMetrics

M = TypeVar("M")

_RETRY_FAILED_AFTER_POLLS = 15
_STOP_LIMIT_S = 2.0
_log = structlog.get_logger()


class LiveModel(Generic[M]):
    """Holds the open model of one worker. Take `get()` once for each batch: a batch never sees two versions."""

    def __init__(
        self,
        *,
        current: Callable[[], str | None],
        load: Callable[[str], M],
        poll_s: float,
        metrics: ModelMetrics | None = None,
    ) -> None:
        self._steps: list[Callable[[], None]] = [self.poll]
        self._current = current
        self._load = load
        self._poll_s = poll_s
        self._metrics = metrics
        self._open: tuple[str, M] | None = None
        self._fault: str | None = None
        self._failed: tuple[str, int] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model", daemon=True)

    def open(self) -> None:
        """Load what is live now, if anything is; raises `ModelError`. To be called before the worker starts."""
        version = self._current()
        if version is not None:
            self._open = version, self._timed(version)
            _log.info("model_loaded", model=version)

    def poll_also(self, step: Callable[[], None]) -> None:
        """Have another thing looked at as often as the live version, before it. To be called before `start`."""
        self._steps.insert(0, step)

    def start(self) -> None:
        """Follow the live version in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more. A version that is just being loaded is not waited for: nobody will use it."""
        self._stopped.set()
        self._thread.join(_STOP_LIMIT_S)

    @property
    def version(self) -> str | None:
        """The version that serves."""
        return self._open[0] if self._open else None

    @property
    def refused(self) -> bool:
        """Whether the newest version could not be loaded."""
        return self._fault is not None

    def faults(self) -> list[str]:
        """Return why this worker cannot serve; nothing while any version is open."""
        return [] if self._open else [self._fault or "no model version is published"]

    def get(self) -> tuple[str, M]:
        """Return version and model; raises `NoModel`, which says why there is none."""
        if self._open is None:
            raise NoModel(self._fault)
        return self._open

    def _follow(self) -> None:
        while not self._stopped.wait(self._poll_s):
            for step in self._steps:
                self._try(step)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except RedisFault as error:
            _log.debug("model_poll_missed", error=type(error).__name__)

    def poll(self) -> None:
        """Load and swap in the live version where it is not the open one; keep the open one where that fails."""
        version = self._current()
        if version is not None and version == self.version:
            self._forgive()
            return
        if version is None or self._failed_lately(version):
            return
        try:
            model = self._timed(version)
        except (redis.ConnectionError, redis.TimeoutError, RedisClusterException):
            raise  # says nothing about the version
        except Exception as error:
            # Whatever it is, the version that serves goes on serving, and the next one will be looked for.
            self._fault = f"model version {version} could not be loaded: {error}"
            self._failed = version, _RETRY_FAILED_AFTER_POLLS
            if self._metrics is not None:
                self._metrics.refused()
            unforeseen = None if isinstance(error, SonglensError | OSError) else error
            _log.error("model_refused", model=version, serving=self.version, error=str(error), exc_info=unforeseen)
            return
        self._open, self._fault, self._failed = (version, model), None, None
        _log.info("model_loaded", model=version)

    def _forgive(self) -> None:
        """What could not be loaded has been rolled back: what serves is what shall."""
        if self._fault is not None:
            self._fault = self._failed = None
            if self._metrics is not None:
                self._metrics.forgiven()

    def _timed(self, version: str) -> M:
        started_s = time.monotonic()
        model = self._load(version)
        if self._metrics is not None:
            self._metrics.loaded(version, time.monotonic() - started_s)
        return model

    def _failed_lately(self, version: str) -> bool:
        """A damaged version is tried again now and then: the file may have been mended."""
        if self._failed is None or self._failed[0] != version:
            return False
        self._failed = version, self._failed[1] - 1
        return self._failed[1] > 0
