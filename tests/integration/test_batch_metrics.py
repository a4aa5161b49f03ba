"""What Prometheus sees of batches: the figures of `songlens batch status`, read cheaply, with no id as a label."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from batch_system import job_worker, make_photos, publish_fake_model, submit, work_off
from fake_worker import FakeWorker, create_groups, one_song
from many_batches import IMAGES, remember_batch
from prometheus_client import CollectorRegistry, generate_latest
from stages import wait_until

from songlens_batch.batches import Batches
from songlens_batch.jobs.health import serving_health
from songlens_batch.metrics import MOST_CODES, BatchCollector, Looking
from songlens_shared.broker import connect
from songlens_shared.errors import BadImage
from songlens_shared.messages import Reply, Request, error_reply
from songlens_workers.commands.processes import WorkerProcess
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.health import Pulse
from songlens_workers.settings import JobsSettings, load_settings

pytestmark = pytest.mark.timeout(240)


@contextmanager
def collected(url: str) -> Iterator[CollectorRegistry]:
    """The metrics of the batches of one Redis."""
    registry = CollectorRegistry()
    with connect(url, retries=0) as connection:
        registry.register(BatchCollector(Looking(connection)))
        yield registry


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample by its name and label: `songlens_jobs{queued}`."""
    return {
        sample.name + (f"{{{','.join(sample.labels.values())}}}" if sample.labels else ""): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def test_they_are_the_figures_of_batch_status(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Of a batch in the middle, with shards done, failed and waiting; and again when a shard more is done."""
    with connect(broker.url) as connection:
        create_groups(connection)
    publish_fake_model(broker.url)
    source = make_photos(tmp_path / "photos", 40)
    for path in sorted(source.rglob("*.jpg"))[:6]:
        path.write_bytes(b"broken")
    batch = submit(broker.url, source, tmp_path / "out", shard_size=10)

    def shown() -> dict[str, float]:
        with Batches(broker.url) as batches:
            found = batches.status(batch)
        waiting = found.shards - found.shards_done - found.shards_running - found.shards_failed
        return {
            "songlens_batches{running}": 1,
            "songlens_batch_shards{queued}": waiting,
            "songlens_batch_shards{running}": found.shards_running,
            "songlens_batch_shards{done}": found.shards_done,
            "songlens_batch_shards{failed}": found.shards_failed,
            "songlens_batch_images{planned}": found.images,
            "songlens_batch_images{scored}": found.rows,
            **{f"songlens_batch_errors{{{code}}}": count for code, count in found.errors.items()},
        }

    with FakeWorker(broker.url, only_photos), collected(broker.url) as registry, Batches(broker.url) as batches:
        for jobs, done in ((2, 0), (1, 1), (1, 2)):
            run_jobs(broker.url, jobs)
            seen = samples(registry)
            assert shown().items() <= seen.items()
            assert (seen["songlens_batch_shards{failed}"], seen["songlens_batch_shards{done}"]) == (1, done)
            speed = batches.status(batch).images_per_s
            assert seen["songlens_batch_images_per_second"] == pytest.approx(speed, rel=0.2)
        assert seen["songlens_jobs{queued}"] == 1
        assert 0 < seen["songlens_jobs_oldest_waiting_seconds"] < 240
        work_off(broker.url)
        ended = samples(registry)
    assert (ended["songlens_batches{failed}"], ended["songlens_batches{running}"]) == (1, 0)
    assert ended["songlens_job_seconds_count{score_shard,done}"] == 1  # that which a real job worker scored
    assert 0 < ended["songlens_job_seconds_sum{score_shard,done}"] < 240
    assert ended["songlens_batch_images{planned}"] == ended["songlens_jobs_oldest_waiting_seconds"] == 0


def only_photos(request: Request) -> Reply:
    """Answer as the stages do: a file that is no photo gets an error."""
    if request.image is None or not request.image.startswith(b"\xff\xd8"):
        return error_reply(request.id, BadImage("these bytes are no photo."))
    return one_song(request)


def run_jobs(url: str, jobs: int) -> None:
    """Run so many jobs here and now, and no more."""
    from rq import Queue, SimpleWorker
    from rq.serializers import JSONSerializer

    with pytest.MonkeyPatch.context() as patch, connect(url) as connection:
        patch.setenv("SONGLENS_REDIS_URL", url)
        queue = Queue("songlens-batch", connection=connection, serializer=JSONSerializer)
        SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True, max_jobs=jobs)


def test_a_resumed_batch_counts_what_was_done_before(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Also where Redis had forgotten all of it; it does not count as this run's speed."""
    publish_fake_model(broker.url)
    out = tmp_path / "out"
    submit(broker.url, make_photos(tmp_path / "photos", 30), out, shard_size=10)
    with connect(broker.url) as connection:
        create_groups(connection)
        with FakeWorker(broker.url), collected(broker.url) as registry:
            work_off(broker.url)
            (out / "manifest.json").unlink()
            (out / "shards" / "shard-00002.parquet").unlink()
            for key in [*connection.scan_iter("rq:*"), *connection.scan_iter("sl:batch*")]:
                connection.delete(key)
            with Batches(broker.url) as batches:
                batches.resume(str(out))
                run_jobs(broker.url, 1)
                seen, found = samples(registry), batches.status(str(out))
    assert (seen["songlens_batch_shards{done}"], seen["songlens_batch_shards{queued}"]) == (2, 1)
    assert seen["songlens_batch_images{scored}"] == found.rows == 20
    assert seen["songlens_batch_images_per_second"] == found.images_per_s == 0


def test_the_number_of_series_is_bounded(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """However many batches, shards and errors there are; and no id is among them."""
    batches = [
        remember_batch(connection, 3, 2, errors={f"code_{number}_{more}": 1 for more in range(30)})
        for number in range(20)
    ]
    with collected(broker.url) as registry:
        seen, text = samples(registry), generate_latest(registry).decode()
    errors = {name: value for name, value in seen.items() if name.startswith("songlens_batch_errors")}
    assert (len(errors), sum(errors.values())) == (MOST_CODES + 1, 20 * 2 * 30)
    assert len(seen) - len(errors) == 21
    assert not [batch for batch in batches if batch in text]
    assert "shard-0" not in text


@pytest.mark.slow
def test_a_scrape_is_cheap_with_many_batches(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Of a hundred batches of a thousand shards, the shards are not read again while nothing has changed."""
    for _ in range(99):
        remember_batch(connection, 1000, 0)
    half = remember_batch(connection, 1000, 500)
    for _ in range(200):
        remember_batch(connection, 1000, 1000, state="done")
    with collected(broker.url) as registry:
        first = samples(registry)
        assert first["songlens_batch_shards{done}"] == 500
        assert first["songlens_batch_shards{queued}"] == first["songlens_jobs{queued}"] == 99_500
        assert first["songlens_batch_images{scored}"] == 500 * IMAGES
        before = connection.info("commandstats")
        sent = connection.info("stats")["total_net_output_bytes"]
        assert samples(registry)["songlens_batches{done}"] == 200
        after = connection.info("commandstats")
        calls = sum(after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after)
        assert calls < 300 + 100 + 20
        assert connection.info("stats")["total_net_output_bytes"] - sent < 100_000
        connection.hset(f"sl:batch:{half}:shards", "500", json.dumps({"rows": 7, "errors": {}, "done": True}))
        connection.hincrby(f"sl:batch:{half}:state", "changes", 1)
        assert samples(registry)["songlens_batch_images{scored}"] == 500 * IMAGES + 7


def fetched(port: int, path: str) -> tuple[int, str]:
    """Return the status and the text of one page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def port_of(worker: WorkerProcess, log: Path) -> int:
    """Wait for a job worker that serves, and return its port."""
    while True:
        worker.check()
        for line in log.read_text().splitlines():
            if '"health_served"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.05)


def test_a_job_worker_serves_them(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Ready while it works and Redis answers; red, and alive all the same, while that is away."""
    log = tmp_path / "jobs.log"
    with job_worker(broker.url, log, "--metrics-port", "0", "--log-format", "json") as worker:
        port = port_of(worker, log)
        until_s = time.monotonic() + 30
        while fetched(port, "/ready")[0] != 200 and time.monotonic() < until_s:
            time.sleep(0.1)
        assert fetched(port, "/ready") == fetched(port, "/live") == (200, "ok\n")
        assert "songlens_jobs_redis_up 1.0" in fetched(port, "/metrics")[1]
        broker.stop()
        status, why = fetched(port, "/ready")
        assert (status, "does not answer" in why) == (503, True)
        assert "songlens_jobs_redis_up 0.0" in fetched(port, "/metrics")[1]
        assert fetched(port, "/live")[0] == 200
        broker.start()
        wait_until(lambda: fetched(port, "/ready")[0] == 200, "ready again")
        assert "songlens_jobs_redis_up 1.0" in fetched(port, "/metrics")[1]


def test_a_killed_worker_s_port_is_free(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Its job processes outlive it for a while; they do not hold its port, and the next worker gets it."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    with job_worker(broker.url, first, "--metrics-port", "0", "--log-format", "json") as killed:
        port = port_of(killed, first)
        while fetched(port, "/ready")[0] != 200:
            time.sleep(0.1)
        assert killed.pid is not None
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        with job_worker(broker.url, second, "--metrics-port", str(port), "--log-format", "json") as worker:
            assert port_of(worker, second) == port


def test_no_process_is_not_ready(broker: EmbeddedBroker, capfd: pytest.CaptureFixture[str]) -> None:
    """A pool whose processes cannot be started takes no job."""
    settings = load_settings(JobsSettings, redis_url=broker.url, metrics_port=0)
    with serving_health(settings, CollectorRegistry(), Pulse(60), lambda: 0):
        port = int(capfd.readouterr().out.split("port=")[1].split()[0].strip("\x1b[0m"))
        assert fetched(port, "/ready") == (503, "no job process is alive\n")
