"""Writes the manifests of ops/k8s that come from elsewhere. `--check` fails where one is not what its sources say.

Rules of ops/prometheus as an object of the Prometheus operator; triggers for each stream of each partition.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from songlens_shared.keys import BULK, INTERACTIVE, SONGS_GROUP, VISION_GROUP, PartitionKeys

HERE = Path(__file__).resolve().parent
PROMETHEUS = HERE.parent / "prometheus"
PRODUCTION = HERE / "overlays" / "production"
PARTITIONS = 6
"""Of the production overlay; a test compares it with SONGLENS_PARTITIONS there."""

BY = "# Written by ops/k8s/generate.py (make docs); do not edit.\n"


def rules() -> str:
    """Return the rules of ops/prometheus as a PrometheusRule."""
    groups = [
        group
        for name in ("recording.yml", "alerts.yml")
        for group in yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))["groups"]
    ]
    return _yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "songlens"},
            "spec": {"groups": groups},
        }
    )


def scaling(stage: str) -> str:
    """Return the triggers of a stage in every partition, as a patch of its ScaledObject.

    HPA takes the largest of what triggers ask for and never their sum, so that a partition is to be content with its
    share of what a worker may have before it.
    """
    triggers = [trigger for number in range(PARTITIONS) for trigger in _partition(stage, PartitionKeys(number))]
    return _yaml([{"op": "replace", "path": "/spec/triggers", "value": triggers}])


def _partition(stage: str, keys: PartitionKeys) -> Iterator[dict[str, object]]:
    if stage == "songs":
        yield from _pair(keys.hits, SONGS_GROUP, lag=500, length=1100)
    else:
        yield from _pair(keys.requests(INTERACTIVE), VISION_GROUP, lag=20, length=70)
        yield from _pair(keys.requests(BULK), VISION_GROUP, lag=600, length=650)


def _pair(stream: str, group: str, *, lag: int, length: int) -> Iterator[dict[str, object]]:
    """`lag` and `length`: what one worker may have before it, in all partitions together."""
    by_lag = {"consumerGroup": group, "lagCount": _share(lag), "activationLagCount": "0"}
    for metadata in (by_lag, {"streamLength": _share(length)}):
        yield {
            "type": "redis-cluster-streams",
            "metadata": {"stream": stream, **metadata},
            "authenticationRef": {"name": "songlens-queue"},
        }


def _share(count: int) -> str:
    return str(-(-count // PARTITIONS))


def _yaml(content: object) -> str:
    return BY + yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True)


PAGES = {
    HERE / "components" / "monitoring" / "rules.yaml": rules,
    PRODUCTION / "scaling-vision.yaml": lambda: scaling("vision"),
    PRODUCTION / "scaling-songs.yaml": lambda: scaling("songs"),
}


def main(*, check: bool) -> int:
    """Write, or compare; returns the exit status."""
    stale = [path for path, text in PAGES.items() if not path.exists() or path.read_text("utf-8") != text()]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.relative_to(HERE)} is not what its sources say; run `make docs`\n")
        else:
            path.write_text(PAGES[path](), "utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
