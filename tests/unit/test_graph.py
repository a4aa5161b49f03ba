"""The graph refuses what cannot be trained on, and its text form gives it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.errors import DataError
from songlens_training.graph.graph import (
    Graph,
    Vertex,
    VertexType,
    adjacency,
    build_graph,
    check_graph,
    graph_statistics,
    parse_vertex,
    read_edge_list,
    vertex_name,
    write_edge_list,
)

SONG, IMAGE, KEYWORD = VertexType.SONG, VertexType.IMAGE, VertexType.KEYWORD


@pytest.fixture
def graph() -> Graph:
    """Two songs and an image on two keywords."""
    songs = {"s1": {"雪": 2.0, "山": 0.5}, "s2": {"山": 1.0}, "none": {}}
    return build_graph({SONG: songs, IMAGE: {"folder a/1.jpg": {"雪": 1.0}}})


def edges_of(graph: Graph) -> set[tuple[Vertex, Vertex, float]]:
    ends = zip(graph.sources, graph.targets, graph.weights.tolist(), strict=True)
    return {(graph.vertices[a], graph.vertices[b], weight) for a, b, weight in ends}


def test_songs_and_images_hang_on_keywords(graph: Graph) -> None:
    """Each weight is one edge; the same word is one vertex for songs and images; the keywordless song has none."""
    assert edges_of(graph) == {
        (Vertex(SONG, "s1"), Vertex(KEYWORD, "雪"), 2.0),
        (Vertex(SONG, "s1"), Vertex(KEYWORD, "山"), 0.5),
        (Vertex(SONG, "s2"), Vertex(KEYWORD, "山"), 1.0),
        (Vertex(IMAGE, "folder a/1.jpg"), Vertex(KEYWORD, "雪"), 1.0),
    }
    assert len(graph.vertices) == len(set(graph.vertices)) == 5
    assert (graph.sources.dtype, graph.targets.dtype, graph.weights.dtype) == (np.int32, np.int32, np.float32)


def test_degrees_sum_weights_at_both_ends(graph: Graph) -> None:
    """A vertex's degree is the sum of its edges' weights, whichever end it is."""
    degrees = dict(zip((vertex.key for vertex in graph.vertices), graph.degrees(), strict=True))
    assert degrees == {"雪": 3.0, "山": 1.5, "s1": 2.5, "s2": 1.0, "folder a/1.jpg": 1.0}


def test_adjacency_holds_each_edge_in_both_directions(graph: Graph) -> None:
    """The CSR form lists, for every vertex, exactly its neighbours with the weights of their edges."""
    neighbourhood = adjacency(graph)
    found = set()
    for vertex in range(len(graph.vertices)):
        for slot in range(neighbourhood.starts[vertex], neighbourhood.starts[vertex + 1]):
            ends = (graph.vertices[vertex], graph.vertices[neighbourhood.neighbours[slot]])
            found.add((*ends, float(neighbourhood.weights[slot])))
    forward = edges_of(graph)
    assert found == forward | {(b, a, weight) for a, b, weight in forward}


def test_statistics(graph: Graph) -> None:
    """Vertices and median edges by type, edges, total weight."""
    figures = graph_statistics(graph)
    assert figures.vertices == {"keyword": 2, "song": 2, "image": 1}
    assert (figures.edges, figures.total_weight, figures.isolated) == (4, 4.5, 0)
    assert figures.median_edges == {"keyword": 2.0, "song": 1.5, "image": 1.0}


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bad_weight_is_refused_by_name(weight: float) -> None:
    """The message names the edge, so that the row behind it can be found."""
    with pytest.raises(DataError, match=r"song:s1 - keyword:雪 .* not a number > 0"):
        build_graph({SONG: {"s1": {"雪": weight}}})


def test_empty_and_inconsistent_graphs_are_refused(graph: Graph) -> None:
    """No edge, a loop, an end beyond the vertices, arrays of different length: each is a DataError."""
    with pytest.raises(DataError, match="no edge"):
        build_graph({SONG: {"s1": {}}})
    with pytest.raises(DataError, match="both ends at one vertex"):
        check_graph(replace(graph, sources=graph.targets))
    with pytest.raises(DataError, match="does not exist"):
        check_graph(replace(graph, vertices=graph.vertices[:-1]))
    with pytest.raises(DataError, match="differ in length"):
        check_graph(replace(graph, sources=graph.sources[1:]))


@given(st.sampled_from(VertexType), st.text(min_size=1).filter(lambda key: key.isprintable() or "\n" in key))
def test_vertex_names_have_no_white_space_and_come_back(kind: VertexType, key: str) -> None:
    """Any key survives the text form, in which columns are separated by white space."""
    name = vertex_name(Vertex(kind, key))
    assert name.split() == [name]
    assert parse_vertex(name) == Vertex(kind, key)


def test_edge_lists_come_back(graph: Graph, tmp_path: Path) -> None:
    """What is written in SMORe's form is read as the same graph, float32 weights exact."""
    write_edge_list(graph, tmp_path / "net.txt")
    assert edges_of(read_edge_list(tmp_path / "net.txt")) == edges_of(graph)


def test_foreign_edge_lists_are_read_by_prefix(tmp_path: Path) -> None:
    """A list made elsewhere is typed by the beginning of its names; tabs and blank lines are fine."""
    (tmp_path / "net.txt").write_text("k1\ts1\t0.5\n\nk1 i1 1\n", "utf-8")
    read = read_edge_list(tmp_path / "net.txt", {"k": KEYWORD, "s": SONG, "i": IMAGE})
    assert edges_of(read) == {
        (Vertex(KEYWORD, "1"), Vertex(SONG, "1"), 0.5),
        (Vertex(KEYWORD, "1"), Vertex(IMAGE, "1"), 1.0),
    }


@pytest.mark.parametrize("line", ["song:1 keyword:雪", "song:1 keyword:雪 heavy", "a b c d"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    """A line of another form is a DataError with its number."""
    (tmp_path / "net.txt").write_text(f"song:1 keyword:雪 1\n{line}\n", "utf-8")
    with pytest.raises(DataError, match="line 2"):
        read_edge_list(tmp_path / "net.txt")
