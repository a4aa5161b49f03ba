"""How an entry leaves a worker: with an outcome, as a dead letter, or back to the stream for another try."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from songlens_shared.functions import Delivery
from songlens_workers.runtime.claims import Claims
from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.in_flight import InFlight
from songlens_workers.runtime.outbox import Outbox
from songlens_workers.runtime.patience import GivenUp, Patience
from songlens_workers.runtime.sending import Sending
from songlens_workers.runtime.stage import Outcome
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.settings import StageSettings


class Ending:
    """Sends outcomes and lets go of entries, in this order: what is not in Redis is still held."""

    def __init__(
        self,
        settings: StageSettings,
        *,
        outbox: Outbox,
        claims: Claims,
        in_flight: InFlight,
        tracing: Tracing,
        patience: Patience,
        pulse: Pulse,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._claims = claims
        self._in_flight = in_flight
        self._tracing = tracing
        self._patience = patience
        self._sending = Sending(self._send, pulse)

    def run(self) -> None:
        """Send what is finished, until `close`; one thread's work."""
        self._sending.run()

    def close(self) -> None:
        """Let `run` return once everything that is finished is sent."""
        self._sending.close()

    def finish(self, outcomes: Sequence[tuple[Delivery, Outcome]]) -> None:
        """Have entries ended with their outcomes. Where the worker has to give up, they stay pending for another."""
        self._sending.put(outcomes)

    def _send(self, outcomes: Sequence[tuple[Delivery, Outcome]]) -> None:
        try:
            refused = self._outbox.send(outcomes)
        except GivenUp:
            return
        self._let_go(delivery for position, (delivery, _) in enumerate(outcomes) if position not in refused)
        for position, reason in refused.items():
            self.fail(outcomes[position][0], reason)

    def bury(self, delivery: Delivery, error: str) -> None:
        """Make an entry a dead letter."""
        try:
            self._outbox.bury(delivery, error)
        except GivenUp:
            return
        self._let_go([delivery])

    def fail(self, delivery: Delivery, error: str) -> None:
        """A fault of ours may be this machine's alone: others try, until the delivery limit makes it a dead letter."""
        if delivery.deliveries >= self._settings.max_deliveries:
            self.bury(delivery, error)
            return
        self._tracing.given_back(delivery)
        # Let go first, or the next heartbeat would claim it again.
        self._let_go([delivery])
        try:
            self._patience.until_done(lambda: self._claims.give_back([delivery], self._settings.takeover_ms))
        except GivenUp:
            return

    def _let_go(self, deliveries: Iterable[Delivery]) -> None:
        self._in_flight.let_go(deliveries)
