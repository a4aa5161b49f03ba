"""Graphs come out of Parquet as they went in, and tables of another form are refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from songlens_shared.errors import DataError
from songlens_training.graph.graph import Graph, Vertex, VertexType
from songlens_training.graph.tables import read_edge_table, read_model_graph
from songlens_workers.models.manifest import IMAGES, SONGS

SONG, IMAGE, KEYWORD, UNTYPED = VertexType.SONG, VertexType.IMAGE, VertexType.KEYWORD, VertexType.UNTYPED


def edges_of(graph: Graph) -> list[tuple[Vertex, Vertex, float]]:
    ends = zip(graph.sources, graph.targets, graph.weights.tolist(), strict=True)
    return [(graph.vertices[a], graph.vertices[b], weight) for a, b, weight in ends]


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_a_model_version_gives_back_its_graph(tmp_path: Path) -> None:
    """Songs and images of the tables hang on their keywords, by the weights there."""
    song_keywords = [
        [{"keyword": "雪", "weight": 2.0, "line": "大雪"}, {"keyword": "山", "weight": 0.5, "line": "山"}],
        [],
    ]
    write(tmp_path / SONGS, {"id": ["s1", "s2"], "title": ["a", "b"], "keywords": song_keywords})
    write(tmp_path / IMAGES, {"id": ["i1"], "keywords": [[{"keyword": "雪", "weight": 1.0}]]})
    assert edges_of(read_model_graph(tmp_path)) == [
        (Vertex(SONG, "s1"), Vertex(KEYWORD, "雪"), 2.0),
        (Vertex(SONG, "s1"), Vertex(KEYWORD, "山"), 0.5),
        (Vertex(IMAGE, "i1"), Vertex(KEYWORD, "雪"), 1.0),
    ]


def test_edge_tables_are_typed_by_columns(tmp_path: Path) -> None:
    """The same key under two types is two vertices; weights of any number type will do."""
    columns = {
        "source": ["1", "1", "1"],
        "source_type": ["song", "image", "song"],
        "target": ["雪", "雪", "山"],
        "target_type": ["keyword"] * 3,
        "weight": [1, 2, 3],
    }
    graph = read_edge_table(write(tmp_path / "edges.parquet", columns))
    assert sorted(edges_of(graph)) == sorted(
        [
            (Vertex(SONG, "1"), Vertex(KEYWORD, "雪"), 1.0),
            (Vertex(IMAGE, "1"), Vertex(KEYWORD, "雪"), 2.0),
            (Vertex(SONG, "1"), Vertex(KEYWORD, "山"), 3.0),
        ]
    )


def test_edge_tables_without_types_go_by_names(tmp_path: Path) -> None:
    """Without type columns prefixes tell types, as in a text list; a vertex may be source here and target there."""
    columns = {"source": ["k1", "s1"], "target": ["s1", "x"], "weight": [0.5, 1.5]}
    graph = read_edge_table(write(tmp_path / "edges.parquet", columns), {"k": KEYWORD, "s": SONG})
    assert edges_of(graph) == [
        (Vertex(KEYWORD, "k1"), Vertex(SONG, "s1"), 0.5),
        (Vertex(SONG, "s1"), Vertex(UNTYPED, "x"), 1.5),
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"weight": None}, "no column 'weight'"),
        ({"weight": ["heavy"]}, "cannot be read as an edge table"),
        ({"weight": [0.0]}, "not a number > 0"),
        ({"weight": [float("nan")]}, "not a number > 0"),
        ({"target": ["a"]}, "both ends at one vertex"),
        ({"target": [None]}, "cannot be read as an edge table|rows without target"),
        ({"source_type": ["planet"]}, "vertex type 'planet'"),
    ],
    ids=str,
)
def test_bad_tables_are_refused(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    """Each says what is wrong with which file."""
    columns = {"source": ["a"], "target": ["b"], "weight": [1.0], **change}
    path = write(tmp_path / "edges.parquet", {name: values for name, values in columns.items() if values is not None})
    with pytest.raises(DataError, match=fault):
        read_edge_table(path)


def test_files_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    """Text under the name of a table, and a model version without its tables."""
    (tmp_path / "edges.parquet").write_text("a b 1\n", "utf-8")
    with pytest.raises(DataError, match=r"edges\.parquet cannot be read"):
        read_edge_table(tmp_path / "edges.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read_model_graph(tmp_path)
    empty = {"source": pa.array([], pa.string()), "target": pa.array([], pa.string()), "weight": pa.array([], "float")}
    parquet.write_table(pa.table(empty), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="no edge"):
        read_edge_table(tmp_path / "empty.parquet")
