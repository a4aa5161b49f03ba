"""RQ's own tools see batches by readable names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from batch_system import make_photos, publish_fake_model, submit, work_off
from fake_worker import FakeWorker, create_groups
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from songlens_batch.jobs.names import QUEUE
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker


def rq_info(url: str) -> str:
    """Run `rq info` as a person does."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "rq"), "info", "--url", url, "--raw"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_rq_info_and_rq_s_api(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The queue, how many jobs wait, are done and have failed; and what each job is."""
    publish_fake_model(broker.url)
    batch = submit(broker.url, make_photos(tmp_path / "photos", 7), tmp_path / "out", shard_size=3)
    assert "queue songlens-batch 1, 0 executing, 0 finished, 0 failed" in rq_info(broker.url)
    with connect(broker.url) as connection:
        create_groups(connection)
        with FakeWorker(broker.url):
            work_off(broker.url)
        queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
        ids = queue.finished_job_registry.get_job_ids()
        jobs = Job.fetch_many(ids, connection=connection, serializer=JSONSerializer)
    assert "queue songlens-batch 0, 0 executing, 5 finished, 0 failed" in rq_info(broker.url)
    assert {job.id: job.description for job in jobs if job} == {
        f"batch-{batch}-plan": f"batch {batch}: plan {tmp_path}/photos",
        f"batch-{batch}-shard-00000": f"batch {batch}: shard 1 of 3",
        f"batch-{batch}-shard-00001": f"batch {batch}: shard 2 of 3",
        f"batch-{batch}-shard-00002": f"batch {batch}: shard 3 of 3",
        f"batch-{batch}-finish": f"batch {batch}: manifest and summary",
    }
