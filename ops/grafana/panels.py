"""What the dashboards show: for each, rows of panels, each with the queries that it draws."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One graph."""

    title: str
    unit: str
    """Of Grafana: short, s, reqps, bytes, percentunit, ..."""

    queries: tuple[tuple[str, str], ...]
    """Expression and legend of each."""


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def _step(stage: str, step: str) -> Panel:
    return Panel(
        f"{step}, 95th percentile",
        "s",
        ((f'songlens:step_seconds:p95_5m{{stage="{stage}", step="{step}"}}', step),),
    )


OVERVIEW = Board(
    "songlens-overview",
    "Songlens: overview",
    (
        (
            "Do photos get songs?",
            (
                Panel("Requests that left a stage", "reqps", (("songlens:requests:rate1m", "{{stage}} {{code}}"),)),
                Panel("Errors by no fault of the photo", "percentunit", (("songlens:errors:ratio5m", "share"),)),
                Panel(
                    "From submit to songs",
                    "s",
                    (
                        ("songlens:request_seconds:p50_5m", "{{lane}}, median"),
                        ("songlens:request_seconds:p99_5m", "{{lane}}, 99th percentile"),
                    ),
                ),
            ),
        ),
        (
            "What waits?",
            (
                Panel("Waiting or in flight", "short", (("songlens:queue_depth", "{{lane}}"),)),
                Panel("Claimed by nobody", "short", (("songlens:queue_lag", "{{lane}}"),)),
                Panel("Age of the oldest", "s", (("songlens:queue_oldest_seconds", "{{lane}}"),)),
            ),
        ),
        (
            "Who serves?",
            (
                Panel("Answering Prometheus", "short", (("up", "{{job}} {{instance}}"),)),
                Panel("Held by workers", "short", (("songlens_in_flight", "{{stage}} {{instance}}"),)),
                Panel("Dead letters kept", "short", (("songlens_dead_letters", "letters"),)),
                Panel(
                    "Replies that full channels lost",
                    "reqps",
                    (("rate(songlens_replies_trimmed_total[5m])", "replies"),),
                ),
            ),
        ),
    ),
)

VISION = Board(
    "songlens-vision",
    "Songlens: vision workers",
    (
        (
            "Batches",
            (
                Panel(
                    "Photos a second",
                    "reqps",
                    (('sum by (instance) (rate(songlens_images_total{stage="vision"}[1m]))', "{{instance}}"),),
                ),
                Panel(
                    "Photos in a batch",
                    "short",
                    (
                        ('songlens:batch_size:mean5m{stage="vision"}', "mean"),
                        ('songlens_batch_target_size{stage="vision"}', "target {{lane}} {{instance}}"),
                    ),
                ),
                Panel(
                    "Of what a batch could hold",
                    "percentunit",
                    (('songlens:batch_fill:mean5m{stage="vision"}', "mean"),),
                ),
                Panel(
                    "Why batches were released",
                    "reqps",
                    (('sum by (reason) (rate(songlens_batches_total{stage="vision"}[1m]))', "{{reason}}"),),
                ),
            ),
        ),
        (
            "Time by step",
            (
                _step("vision", "queue"),
                _step("vision", "decode"),
                _step("vision", "embed"),
                _step("vision", "search"),
                _step("vision", "reply"),
                _step("vision", "batch"),
            ),
        ),
        (
            "Device",
            (
                Panel(
                    "Time in the forward pass",
                    "percentunit",
                    (
                        (
                            'sum by (instance) (rate(songlens_stage_seconds_sum{stage="vision", step="embed"}[1m]))',
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel("GPU runs kernels", "percentunit", (("songlens_device_busy_ratio", "{{device}} {{instance}}"),)),
                Panel(
                    "Memory of the GPU",
                    "bytes",
                    (
                        ("songlens_device_memory_bytes", "used {{device}} {{instance}}"),
                        ("songlens_device_memory_limit_bytes", "limit {{device}} {{instance}}"),
                    ),
                ),
            ),
        ),
        (
            "Worker",
            (
                Panel(
                    "What a batch takes, as learned",
                    "s",
                    (
                        ('songlens_batch_item_seconds{stage="vision"}', "each photo {{instance}}"),
                        ('songlens_batch_fixed_seconds{stage="vision"}', "the batch {{instance}}"),
                    ),
                ),
                Panel(
                    "Known photos",
                    "reqps",
                    (("sum by (result) (rate(songlens_content_cache_lookups_total[1m]))", "{{result}}"),),
                ),
                Panel("Model version", "short", (('songlens_model_info{stage="vision"}', "{{model}} {{instance}}"),)),
                Panel(
                    "Processor",
                    "percentunit",
                    (('rate(process_cpu_seconds_total{job="songlens-vision"}[1m])', "{{instance}}"),),
                ),
                Panel("Memory", "bytes", (('process_resident_memory_bytes{job="songlens-vision"}', "{{instance}}"),)),
                Panel("Model opened in", "s", (('songlens_model_load_seconds{stage="vision"}', "{{instance}}"),)),
            ),
        ),
    ),
)

SONGS = Board(
    "songlens-songs",
    "Songlens: song stage",
    (
        (
            "Ranking",
            (
                Panel(
                    "Photos a second",
                    "reqps",
                    (('sum by (instance) (rate(songlens_images_total{stage="songs"}[1m]))', "{{instance}}"),),
                ),
                Panel("Hits in a batch", "short", (('songlens:batch_size:mean5m{stage="songs"}', "mean"),)),
                _step("songs", "songs"),
            ),
        ),
        ("Time by step", (_step("songs", "queue"), _step("songs", "reply"), _step("songs", "batch"))),
        (
            "Worker",
            (
                Panel(
                    "Processor",
                    "percentunit",
                    (('rate(process_cpu_seconds_total{job="songlens-songs"}[1m])', "{{instance}}"),),
                ),
                Panel("Memory", "bytes", (('process_resident_memory_bytes{job="songlens-songs"}', "{{instance}}"),)),
                Panel("Model version", "short", (('songlens_model_info{stage="songs"}', "{{model}} {{instance}}"),)),
            ),
        ),
    ),
)

JOBS = Board(
    "songlens-jobs",
    "Songlens: batch jobs",
    (
        (
            "Batches",
            (
                Panel("Batches of the last 30 days", "short", (("max by (state) (songlens_batches)", "{{state}}"),)),
                Panel("Shards of open batches", "short", (("max by (state) (songlens_batch_shards)", "{{state}}"),)),
                Panel("Photos of open batches", "short", (("max by (state) (songlens_batch_images)", "{{state}}"),)),
                Panel("Speed", "reqps", (("max(songlens_batch_images_per_second)", "photos a second"),)),
                Panel("Jobs", "short", (("max by (status) (songlens_jobs)", "{{status}}"),)),
                Panel(
                    "What a job takes",
                    "s",
                    (("max by (kind, outcome) (songlens:job_seconds:mean1h)", "{{kind}} {{outcome}}"),),
                ),
                Panel("Head of the queue has waited", "s", (("max(songlens_jobs_oldest_waiting_seconds)", "seconds"),)),
            ),
        ),
    ),
)

REDIS = Board(
    "songlens-redis",
    "Songlens: Redis",
    (
        (
            "Server",
            (
                Panel(
                    "Memory",
                    "bytes",
                    (("songlens_redis_memory_bytes", "used"), ("songlens_redis_memory_limit_bytes", "limit, 0: none")),
                ),
                Panel("Commands", "ops", (("songlens_redis_commands_per_second", "a second"),)),
                Panel(
                    "Bytes",
                    "KBs",
                    (
                        ("songlens_redis_input_kilobytes_per_second", "in"),
                        ("songlens_redis_output_kilobytes_per_second", "out"),
                    ),
                ),
                Panel("Connections", "short", (("songlens_redis_clients", "clients"),)),
                Panel("Writes to its disk", "bool", (("songlens_redis_persistence_ok", "ok"),)),
                Panel("Evicted keys, which must stay 0", "short", (("songlens_redis_evicted_keys", "keys"),)),
            ),
        ),
        (
            "Queue",
            (
                Panel("Payload bytes", "bytes", (("sum by (lane) (songlens_queue_bytes)", "{{lane}}"),)),
                Panel("By partition", "short", (("songlens_queue_depth", "{{lane}} {{partition}}"),)),
                Panel("Pending", "short", (("sum by (lane) (songlens_queue_pending)", "{{lane}}"),)),
            ),
        ),
    ),
)

BOARDS = (OVERVIEW, VISION, SONGS, JOBS, REDIS)
