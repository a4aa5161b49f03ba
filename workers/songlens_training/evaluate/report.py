"""What an evaluation found, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from songlens_training.evaluate.bootstrap import Interval
from songlens_training.evaluate.evaluation import Cell, Evaluation, KeywordScores
from songlens_training.evaluate.metrics import FIRST, HIT, METRICS, MRR, PRECISION, RECALL
from songlens_training.evaluate.results import write_result
from songlens_training.evaluate.systems import KM, POP, PROPOSED, RANDOM

FORMAT = 1
WORST_KEYWORDS = 10

SYSTEM_NAMES = {PROPOSED: "Proposed", KM: "KM", POP: "POP", RANDOM: "Random"}
METRIC_NAMES = {
    PRECISION: "precision@10",
    HIT: "hit rate@10",
    FIRST: "precision@1",
    MRR: "MRR",
    RECALL: "recall@10",
}

PAPER: Mapping[str, Mapping[int, float]] = {
    PROPOSED: {5: 0.913, 10: 0.918, 50: 0.943, 100: 0.943},
    KM: {5: 0.902, 10: 0.917, 50: 0.941, 100: 0.943},
    POP: {5: 0.124, 10: 0.157, 50: 0.356, 100: 0.378},
}
"""Table 1 of the paper, on its own songs, images and queries."""

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""


def write_reports(folder: Path, evaluation: Evaluation, about: Mapping[str, Any]) -> list[Path]:
    """Write evaluation.json and evaluation.md; return their paths."""
    return [
        write_json(folder / "evaluation.json", evaluation_json(evaluation, about)),
        write_result(folder / "evaluation.md", evaluation_markdown(evaluation, about).encode()),
    ]


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write JSON that people can read too; what JSON has no form for is written as text."""
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    return write_result(path, f"{text}\n".encode())


def evaluation_json(evaluation: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that was measured; a row for each source, system, n and metric."""
    return {
        "format": FORMAT,
        "about": about,
        "options": asdict(evaluation.options),
        "query_images": sum(own.queries for own in evaluation.keywords),
        "neighbour_images_right": evaluation.neighbours_right,
        "systems": list(evaluation.systems),
        "absent": evaluation.absent,
        "sources": {name: asdict(counts) for name, counts in evaluation.sources.items()},
        "scores": [asdict(cell) | interval._asdict() for cell, interval in evaluation.scores.items()],
        "proposed_minus_km": [_difference(cell, interval) for cell, interval in evaluation.proposed_minus_km.items()],
        "lists": {
            system: {"coverage": own.coverage, "diversity": own.diversity._asdict()}
            for system, own in evaluation.lists.items()
        },
        "keywords": [_keyword_row(own) for own in evaluation.keywords],
    }


def _difference(cell: Cell, interval: Interval) -> dict[str, Any]:
    return {"source": cell.source, "n": cell.n, "metric": cell.metric} | interval._asdict()


def _keyword_row(own: KeywordScores) -> dict[str, Any]:
    return {
        "keyword": own.keyword,
        "query_images": own.queries,
        "songs": own.songs,
        "nearest_image_right": own.nearest_image_right,
        "precision_at_10": [
            {"source": cell.source, "system": cell.system, "n": cell.n, "value": round(mean, 6)}
            for cell, mean in own.precision.items()
        ],
    }


def evaluation_markdown(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    """Return a page with the tables that matter, the paper's beside them."""
    parts = ["# Evaluation", "", *facts(evaluation, about)]
    for source in evaluation.sources:
        parts += ["", f"## Similar words: {source}", "", *_source_facts(evaluation, source)]
        for metric in METRICS:
            parts += ["", f"**{METRIC_NAMES[metric]}**", "", *markdown_table(score_table(evaluation, source, metric))]
    parts += ["", "## The lists themselves", "", *markdown_table(list_table(evaluation))]
    parts += ["", "## Worst keywords", "", *markdown_table(keyword_table(evaluation))]
    return "\n".join([*parts, ""])


def facts(evaluation: Evaluation, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was evaluated and how, a sentence or two at a time."""
    options = evaluation.options
    version = f"Version {about['version']}: " if "version" in about else ""
    counts = ", ".join(f"{about[name]} {name}" for name in ("songs", "images", "keywords"))
    yield f"{version}{counts}, {about['backbone']}."
    yield (
        f"{sum(own.queries for own in evaluation.keywords)} query images ({about['query_images']}) of "
        f"{len(evaluation.keywords)} keywords; {_left_out(about)} left out."
    )
    yield (
        f"The nearest image has the query image's keyword for {evaluation.nearest_image_right:.1%} of them"
        f"{_further(evaluation.neighbours_right[1:])}. "
        f"{options.retrieval.images_k} images x {options.retrieval.songs_per_image} songs."
    )
    yield (
        f"Intervals: {options.confidence:.0%}, bootstrap over query images, {options.resamples} resamples; "
        f"draws repeated {options.repeats} times; seed {options.seed}."
    )
    for source, refused in about["rows_refused"].items():
        if refused:
            yield f"{sum(refused.values())} rows of {source} refused: {', '.join(refused)} (rejects.jsonl)."
    for system, reason in evaluation.absent.items():
        yield f"{SYSTEM_NAMES[system]} is absent: {reason}."


def _further(right: Sequence[float]) -> str:
    return f", those after it for {', '.join(f'{share:.1%}' for share in right)}" if right else ""


def _left_out(about: Mapping[str, Any]) -> str:
    reasons = about["query_images_left_out"].items()
    return ", ".join(f"{count} ({reason})" for reason, count in reasons) or "none"


def _source_facts(evaluation: Evaluation, source: str) -> Iterator[str]:
    counts, total = evaluation.sources[source], len(evaluation.keywords)
    unknown = f" ({', '.join(counts.unknown[:WORST_KEYWORDS])})" if counts.unknown else ""
    yield f"Unknown keywords, for which only the keyword itself is right: {len(counts.unknown)} of {total}{unknown}."
    short = ", ".join(f"{number} for n = {n}" for n, number in counts.short.items() if number)
    yield f"Keywords with fewer similar words than n: {short or 'none'}."
    without = ", ".join(f"{number} for n = {n}" for n, number in counts.without_right_song.items() if number)
    yield f"Query images without any right song in the catalogue: {without or 'none'}."


def with_interval(interval: Interval, sign: str = "") -> str:
    """Return a value and its interval: `0.913 [0.901, 0.925]`; with the sign `+`, every number has one."""
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


Show = Callable[[Interval, str], str]


def score_table(evaluation: Evaluation, source: str, metric: str, show: Show = with_interval) -> Table:
    """Return the systems by n; for precision@10, the paper's rows too."""
    ns = evaluation.options.similar_words
    rows = [
        [SYSTEM_NAMES[system], *(show(evaluation.scores[Cell(source, system, n, metric)], "") for n in ns)]
        for system in evaluation.systems
    ]
    differences = [show(evaluation.proposed_minus_km[Cell(source, PROPOSED, n, metric)], "+") for n in ns]
    rows.append(["Proposed - KM", *differences])
    if metric == PRECISION:
        rows += [
            [f"paper: {SYSTEM_NAMES[system]}", *(f"{values[n]:.3f}" if n in values else "" for n in ns)]
            for system, values in PAPER.items()
        ]
    return ["", *(f"n = {n}" for n in ns)], rows


def list_table(evaluation: Evaluation) -> Table:
    """Return catalogue coverage and intra-list diversity of the systems."""
    rows = [
        [SYSTEM_NAMES[system], f"{own.coverage:.3f}", with_interval(own.diversity)]
        for system, own in evaluation.lists.items()
    ]
    return ["", "catalogue coverage", "intra-list diversity"], rows


def keyword_table(evaluation: Evaluation) -> Table:
    """Return the keywords with the least precision@10 of the proposed system."""
    source, n = next(iter(evaluation.sources)), min(evaluation.options.similar_words)
    header = ["keyword", "query images", "songs with it", "nearest image right", f"Proposed, n = {n}", f"KM, n = {n}"]
    return header, [_keyword_cells(own, source, n) for own in evaluation.keywords[:WORST_KEYWORDS]]


def _keyword_cells(own: KeywordScores, source: str, n: int) -> list[str]:
    values = [f"{own.precision[Cell(source, system, n, PRECISION)]:.3f}" for system in (PROPOSED, KM)]
    return [own.keyword, str(own.queries), str(own.songs), f"{own.nearest_image_right:.2f}", *values]


def markdown_table(table: Table) -> list[str]:
    """Return the lines of a Markdown table."""
    header, rows = table
    return [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
