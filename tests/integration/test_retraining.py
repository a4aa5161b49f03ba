"""Retraining by schedule: a real job builds a model and makes it live where the data have changed, and only there."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from batch_system import work_off
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from songlens_batch.schedule.file import read_schedules
from songlens_batch.schedule.scheduler import Scheduler
from songlens_shared.broker import connect
from songlens_shared.errors import ConfigError
from songlens_training.generated.catalogue import GeneratedOptions, generate
from songlens_training.scheduled import retrain
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore

pytestmark = pytest.mark.timeout(280)

DUE = "2026-02-01T04:00:00+00:00"


@pytest.fixture
def options(tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A small catalogue, as a schedule names it."""
    generate(
        tmp_path / "catalogue",
        GeneratedOptions(songs=60, images_per_theme=2, queries_per_theme=1),
        lambda done, total: None,
    )
    monkeypatch.setenv("SONGLENS_REDIS_URL", broker.url)
    return {
        "songs": str(tmp_path / "catalogue" / "songs.jsonl"),
        "images": str(tmp_path / "catalogue" / "images.jsonl"),
        "models": str(tmp_path / "models"),
        "backbone": "tiny",
        "samples": 100_000,
        "threads": 1,
    }


def live(broker: EmbeddedBroker) -> str | None:
    with connect(broker.url) as connection:
        return PublishedModels(connection).current()


def test_a_job_builds_and_publishes(broker: EmbeddedBroker, options: dict[str, Any], tmp_path: Path) -> None:
    """Queued by a scheduler, run by a real job worker; the next slot, with the same data, does nothing."""
    file = tmp_path / "schedule.toml"
    keys = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    file.write_text(f'[[retrain]]\nname = "sundays"\ncron = "0 4 * * sun"\n{keys}\n')
    results = []
    with connect(broker.url) as connection:
        for due in ("2026-02-01", "2026-02-08"):
            scheduler = Scheduler(connection, read_schedules(file), file)
            (slot,) = scheduler.get_jobs()
            slot.next_enqueue_time = datetime.fromisoformat(f"{due}T04:00:00+00:00")
            queued = slot.enqueue(connection)
            assert queued.description == f"schedule sundays: retrain, due {due} 04:00 UTC"
            work_off(broker.url)
            job = Job.fetch(queued.id, connection=connection, serializer=JSONSerializer)
            assert job.get_status() == JobStatus.FINISHED, job.latest_result()
            results.append(job.return_value())
    (version,) = ModelStore(options["models"]).versions()
    assert live(broker) == version
    assert results[0] == {"version": version, "built": True, "published": True}
    assert results[1] == {"version": version, "built": False, "published": False}


def test_only_what_has_never_been_published_is(broker: EmbeddedBroker, options: dict[str, Any]) -> None:
    """Changed data are a new version; one that was rolled back stays so; one whose job died is published."""
    first = retrain(options, DUE)
    songs = Path(options["songs"])
    songs.write_text("".join(songs.read_text().splitlines(keepends=True)[:-1]))
    second = retrain(options, DUE)
    assert (second["built"], second["published"]) == (True, True)
    assert live(broker) == second["version"] != first["version"]
    with connect(broker.url) as connection:
        published = PublishedModels(connection)
        published.rollback()
        assert retrain(options, DUE) == {**second, "built": False, "published": False}
        assert published.current() == first["version"]
        published.forget(second["version"])
        assert retrain(options, DUE) == {**second, "built": False, "published": True}
        assert published.current() == second["version"]
    assert retrain({**options, "publish": False, "seed": 7}, DUE)["published"] is False
    assert live(broker) == second["version"]


def test_what_cannot_be_built_is_not_tried_again(
    broker: EmbeddedBroker, options: dict[str, Any], tmp_path: Path
) -> None:
    """Hours of training would end the same; the job fails with the sentence, and the live version stays."""
    gone = {**options, "songs": str(tmp_path / "gone.jsonl")}
    with pytest.raises(ConfigError, match=r"gone\.jsonl does not exist"):
        retrain(gone, DUE)
    with connect(broker.url) as connection:
        queue = Queue("songlens-batch", connection=connection, serializer=JSONSerializer)
        queue.enqueue("songlens_training.scheduled.retrain", args=(gone, DUE), job_id="retraining", retry=Retry(max=3))
        work_off(broker.url)
        job = Job.fetch("retraining", connection=connection, serializer=JSONSerializer)
        assert job.get_status() == JobStatus.FAILED
        result = job.latest_result()
    assert result is not None and "gone.jsonl does not exist" in str(result.exc_string)
    assert live(broker) is None
