"""The graph refuses what cannot be trained on, and its text form gives it back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songlens_shared.errors import DataError
from songlens_training.graph import edge_list
from songlens_training.graph.adjacency import adjacency
from songlens_training.graph.edge_list import LARGE_BYTES, read_edge_list, read_foreign_edge_list, write_edge_list
from songlens_training.graph.graph import Graph, Vertex, VertexType, build_graph, check_graph
from songlens_training.graph.names import foreign_name, parse_vertex, vertex_name
from songlens_training.graph.statistics import GraphStatistics, Spread, component_sizes, graph_statistics

SONG, IMAGE, KEYWORD, USER = VertexType.SONG, VertexType.IMAGE, VertexType.KEYWORD, VertexType.USER


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
    """Every figure of a small graph, as counted by hand."""
    assert graph_statistics(graph) == GraphStatistics(
        vertices={"keyword": 2, "song": 2, "image": 1},
        edges=4,
        total_weight=4.5,
        edges_of_a_vertex={
            "keyword": Spread(min=2, median=2, mean=2, max=2),
            "song": Spread(min=1, median=1.5, mean=1.5, max=2),
            "image": Spread(min=1, median=1, mean=1, max=1),
        },
        degree={
            "keyword": Spread(min=1.5, median=2.25, mean=2.25, max=3.0),
            "song": Spread(min=1.0, median=1.75, mean=1.75, max=2.5),
            "image": Spread(min=1, median=1, mean=1, max=1),
        },
        components=1,
        largest_component=5,
        isolated=0,
        without_keyword={"song": 0, "image": 0},
    )


def test_statistics_name_what_hangs_loose() -> None:
    """An isolated vertex, a second component, and a song that only a user's listening joins to the rest."""
    vertices = [Vertex(KEYWORD, "雪"), Vertex(SONG, "1"), Vertex(SONG, "2"), Vertex(USER, "u"), Vertex(IMAGE, "alone")]
    ends = np.array([[0, 1], [3, 2]], np.int32)
    graph = Graph(vertices, ends[:, 0].copy(), ends[:, 1].copy(), np.ones(2, np.float32))
    figures = graph_statistics(graph)
    assert (figures.components, figures.largest_component, figures.isolated) == (3, 2, 1)
    assert figures.without_keyword == {"song": 1, "image": 1}


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda e: e[0] != e[1]), max_size=30))
@settings(deadline=None)  # the first call compiles
def test_components_are_those_of_a_search(edges: list[tuple[int, int]]) -> None:
    """Union-find gives the sizes that spreading from vertex to vertex does."""
    ends = np.array(edges, np.int32).reshape(-1, 2)
    vertices = [Vertex(SONG, str(number)) for number in range(20)]
    found = component_sizes(Graph(vertices, ends[:, 0].copy(), ends[:, 1].copy(), np.ones(len(ends), np.float32)))
    reached = np.eye(20, dtype=int)
    reached[ends[:, 0], ends[:, 1]] = reached[ends[:, 1], ends[:, 0]] = 1
    for _ in range(5):  # paths of up to 2^5 edges
        reached = ((reached @ reached) > 0).astype(int)
    expected = [int(row.sum()) for number, row in enumerate(reached) if int(np.argmax(row)) == number]
    assert sorted(found.tolist()) == sorted(expected)


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


def test_foreign_edge_lists_are_typed_by_prefix(tmp_path: Path) -> None:
    """The longest prefix that fits tells the type, none leaves it open, and names stay whole."""
    (tmp_path / "net.txt").write_text("k1 s1 0.5\nk1 si2 1\nk1 100% 2\n", "utf-8")
    read = read_foreign_edge_list(tmp_path / "net.txt", {"k": KEYWORD, "s": SONG, "si": IMAGE})
    assert edges_of(read) == {
        (Vertex(KEYWORD, "k1"), Vertex(SONG, "s1"), 0.5),
        (Vertex(KEYWORD, "k1"), Vertex(IMAGE, "si2"), 1.0),
        (Vertex(KEYWORD, "k1"), Vertex(VertexType.UNTYPED, "100%"), 2.0),
    }
    assert [foreign_name(vertex) for vertex in read.vertices] == ["k1", "s1", "si2", "100%"]


@pytest.mark.parametrize(
    "text",
    ["a b 1\nb c 2\n", "a b 1\r\nb c 2\r\n", "a\tb\t1\nb \t c\t2", "\n a b 1 \n\n\nb c 2\n", "\ufeffa b 1\nb c 2"],
    ids=["plain", "CRLF", "tabs, no last line break", "blank lines", "byte order mark"],
)
@pytest.mark.parametrize("large", [LARGE_BYTES, 0], ids=["by lines", "in columns"])
def test_edge_lists_of_every_make_are_the_same_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, large: int
) -> None:
    """Line ends, separators, blank lines and a byte order mark make no difference, nor does the size of the list."""
    monkeypatch.setattr(edge_list, "LARGE_BYTES", large)
    (tmp_path / "net.txt").write_bytes(text.encode())
    read = read_foreign_edge_list(tmp_path / "net.txt")
    assert [vertex.key for vertex in read.vertices] == ["a", "b", "c"]
    assert (read.sources.tolist(), read.targets.tolist(), read.weights.tolist()) == ([0, 1], [1, 2], [1, 2])


NAMES = st.sampled_from(["a", "b", "雪", '"c"']) | st.text(st.sampled_from("ab\"'#,;\\雪 \t\u3000"), max_size=3)
WEIGHTS = st.just("1.5") | st.sampled_from(["0.1", "2.5e-3", "+1", "1e3", "1e-60", "0", "-1", "nan", "inf", "x", ""])


@given(
    st.lists(st.tuples(NAMES, NAMES, WEIGHTS), min_size=1, max_size=6),
    st.sampled_from([" ", "\t", "  "]),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
@settings(deadline=None, max_examples=300)
def test_a_large_list_is_read_as_a_small_one(rows: list[tuple[str, str, str]], separator: str, end: str) -> None:
    """In columns or line by line: the same graph in the same order, or the same refusal, whatever names hold."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.txt")
        path.write_bytes("".join(separator.join(row) + end for row in rows).encode())
        outcomes = []
        for large in (LARGE_BYTES, 0):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(edge_list, "LARGE_BYTES", large)
                try:
                    graph = read_foreign_edge_list(path)
                except DataError as error:
                    outcomes.append(error.message)
                else:
                    ends = (graph.sources.tolist(), graph.targets.tolist(), graph.weights.tolist())
                    outcomes.append(str((graph.vertices, ends)))
        assert outcomes[0] == outcomes[1]


def test_repeated_edges_stay(tmp_path: Path) -> None:
    """An edge that is listed again, in either direction, is kept: its weights add up in the degrees."""
    (tmp_path / "net.txt").write_text("a b 1\nb a 1\na b 0.5\n", "utf-8")
    read = read_foreign_edge_list(tmp_path / "net.txt")
    assert len(read.weights) == 3
    assert read.degrees().tolist() == [2.5, 2.5]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("song:1 keyword:雪", "expected `vertex vertex weight`"),
        ("song:1 keyword:雪 heavy", "the weight heavy is not a number > 0"),
        ("a b 1 d", "expected `vertex vertex weight`"),
        ("song:1 song:1 1", "both ends are song:1"),
        ("song:1 keyword:雪 0", "the weight 0 is not a number > 0"),
        ("song:1 keyword:雪 -2", "the weight -2 is not a number > 0"),
        ("song:1 keyword:雪 nan", "the weight nan is not a number > 0"),
        ("song:1 keyword:雪 inf", "the weight inf is not a number > 0"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path: Path, line: str, fault: str) -> None:
    """A line of another form, a loop or a bad weight is a DataError with its number, in either reader."""
    (tmp_path / "net.txt").write_text(f"song:1 keyword:雪 1\n\n{line}\n", "utf-8")
    for read in (read_edge_list, read_foreign_edge_list):
        with pytest.raises(DataError, match=f"line 3: {fault}"):
            read(tmp_path / "net.txt")


def test_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    """A line that is not UTF-8 is a DataError with its number, and no mangled name."""
    (tmp_path / "net.txt").write_bytes(b"a b 1\n" + "海 b 1\n".encode("gbk"))
    with pytest.raises(DataError, match="line 2: the line is not UTF-8 text"):
        read_foreign_edge_list(tmp_path / "net.txt")


def test_names_of_no_type_are_refused_where_types_are_ours(tmp_path: Path) -> None:
    """Our own lists name the type of every vertex."""
    (tmp_path / "net.txt").write_text("k1 s1 1\n", "utf-8")
    with pytest.raises(DataError, match="'k1' begins with none of"):
        read_edge_list(tmp_path / "net.txt")


def test_missing_and_empty_lists_are_refused(tmp_path: Path) -> None:
    """No file, a folder, no line, only blank ones: each is a DataError that names the file."""
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        read_edge_list(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read_edge_list(tmp_path)
    for text in ("", "\n \r\n"):
        (tmp_path / "net.txt").write_text(text, "utf-8")
        with pytest.raises(DataError, match=r"net\.txt holds no edge"):
            read_edge_list(tmp_path / "net.txt")
