"""LINE in batches of tensors, for graphs that are too large for a processor's threads in sensible time.

A batch takes all its steps at once, from the same vectors. A vertex that comes up very often in a batch overshoots, for
each of its steps is taken as if there were no other. So the batch is as large as lets no vertex come up more than about
`MAX_STEPS` times, and past so many its steps are shortened.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from songlens_training.embedding.alias import AliasTables
from songlens_training.embedding.line_kernel import MAX_SCORE
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.start import started
from songlens_training.embedding.tables import edge_tables, noise_tables
from songlens_training.graph.adjacency import Adjacency, adjacency
from songlens_training.graph.graph import Graph

MAX_BATCH = 1 << 16
MIN_BATCH = 1 << 8
MAX_STEPS = 512
"""Steps of one vertex in one batch. On a graph of 24 keywords a batch with 1,900 of each diverges, and one with 1,000
does not, for the steps of many different neighbours partly cancel."""


class _Tables(NamedTuple):
    """Alias tables on the device."""

    starts: Tensor
    keep: Tensor
    other: Tensor

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return one position in `starts[row]:starts[row + 1]` for each of `rows` (B,), int64."""
        low = self.starts[rows]
        sizes = self.starts[rows + 1] - low
        # float64: float32 cannot tell the edges of a vertex with more than 2^24 of them.
        even = torch.rand(rows.shape, generator=generator, device=rows.device, dtype=torch.float64)
        slots = torch.minimum((even * sizes).long(), sizes - 1)
        coins = torch.rand(rows.shape, generator=generator, device=rows.device)
        return low + torch.where(coins < self.keep[low + slots], slots, self.other[low + slots].long())


class TorchLine:
    """Trains on one device. On the processor the same options and seed give the same vectors bit for bit; on a GPU
    sums come in any order, and the vectors differ in their last digits."""

    def __init__(self, graph: Graph, options: EmbeddingOptions, device: str, threads: int) -> None:
        self._graph = graph
        self._options = options
        self._device = torch.device(device)
        self._threads = threads
        self._generator = torch.Generator(self._device)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(V, D), copied from the device."""
        vectors: NDArray[np.float32] = self._vectors.cpu().numpy()
        return vectors

    @property
    def contexts(self) -> NDArray[np.float32]:
        """(V, D), copied from the device."""
        contexts: NDArray[np.float32] = self._contexts.cpu().numpy()
        return contexts

    def start(self) -> None:
        """Draw the tables, and the same vectors and contexts that the compiled loop begins with."""
        neighbourhood = self._prepare()
        with ThreadPoolExecutor(self._threads) as pool:
            vectors, contexts = started(neighbourhood, self._options, pool, self._threads)
        self._generator.manual_seed(self._options.seed)
        self._place(vectors, contexts)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `arrays` were taken."""
        self._prepare()
        self._generator.set_state(torch.from_numpy(arrays["generator"]))
        self._place(arrays["vectors"], arrays.get("contexts", arrays["vectors"]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what training changes, copied from the device."""
        arrays: dict[str, NDArray[Any]] = {"vectors": self.vectors, "generator": self._generator.get_state().numpy()}
        return arrays | ({"contexts": self.contexts} if self._options.order == 2 else {})

    def close(self) -> None:
        """Nothing is held but memory."""

    @torch.inference_mode()
    def train(self, samples: int, first_rate: float, last_rate: float) -> tuple[float, int]:
        """Train on `samples` draws, the learning rate falling from first to last; return loss and what it is of."""
        loss, measured = torch.zeros((), device=self._device), 0
        for done in range(0, samples, self._batch):
            size = min(self._batch, samples - done)
            rate = first_rate + (last_rate - first_rate) * done / samples
            sources, vertices = self._draw(size)
            loss += self._step(sources, vertices, rate)
            measured += size
        return float(loss), measured

    def _prepare(self) -> Adjacency:
        sampling, degrees = self._options.sampling, self._graph.degrees()
        neighbourhood = adjacency(self._graph)
        edges = edge_tables(neighbourhood, degrees, sampling)
        noise = noise_tables(self._graph.vertex_types, degrees, sampling.noise)
        self._sources, self._targets = self._tables(edges.sources), self._tables(edges.targets)
        self._neighbours = self._tensor(edges.neighbours)
        self._noise, self._noise_vertices = self._tables(noise.tables), self._tensor(noise.vertices)
        self._classes = self._tensor(noise.classes)
        self._counts = torch.zeros(len(self._graph.vertices), device=self._device)
        self._batch = self._fitting_batch()
        return neighbourhood

    def _fitting_batch(self) -> int:
        """Return how many samples a batch may have, by the vertex that comes up most often in one that is drawn."""
        self._generator.manual_seed(self._options.seed)
        _, vertices = self._draw(MAX_BATCH)
        most = int(torch.bincount(vertices.flatten()).max())
        return min(MAX_BATCH, max(MIN_BATCH, MAX_BATCH * MAX_STEPS // most))

    def _tables(self, tables: AliasTables) -> _Tables:
        return _Tables(self._tensor(tables.starts), self._tensor(tables.keep), self._tensor(tables.other))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _place(self, vectors: NDArray[np.float32], contexts: NDArray[np.float32]) -> None:
        self._vectors = self._tensor(vectors)
        self._contexts = self._tensor(contexts) if self._options.order == 2 else self._vectors

    def _draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Return sources (B,) and vertices (B, 1 + negatives), the targets and then their negatives."""
        steps = self._options.sampling.walk_steps
        sources, targets = self._draw_walks(size, steps) if steps > 0 else self._draw_edges(size)
        classes = self._classes[targets].long()[:, None].expand(-1, self._options.negatives)  # (B, N)
        negatives = self._noise_vertices[self._noise.draw(classes, self._generator)].long()
        return sources, torch.cat([targets[:, None], negatives], dim=1)

    def _draw_edges(self, size: int) -> tuple[Tensor, Tensor]:
        sources = self._sources.draw(torch.zeros(size, dtype=torch.long, device=self._device), self._generator)
        return sources, self._neighbour(sources)

    def _draw_walks(self, size: int, steps: int) -> tuple[Tensor, Tensor]:
        """A walk v, c1, c2, ... gives the samples v -> c1, v -> c2, ..., and last c1 -> v."""
        sources, reached = self._draw_edges(-(-size // (steps + 1)))
        first, targets = reached, [reached]
        for _ in range(steps - 1):
            reached = self._neighbour(reached)
            targets.append(reached)
        rows = torch.stack([*[sources] * steps, first], dim=1)  # (W, steps + 1)
        columns = torch.stack([*targets, sources], dim=1)
        return rows.flatten()[:size], columns.flatten()[:size]

    def _neighbour(self, vertices: Tensor) -> Tensor:
        return self._neighbours[self._targets.draw(vertices, self._generator)].long()

    def _step(self, sources: Tensor, vertices: Tensor, rate: float) -> Tensor:
        """Take the steps of a batch; return the sum of their losses. LINE, equation 7."""
        held, contexts = self._vectors[sources], self._contexts[vertices]  # (B, D), (B, 1 + N, D)
        scores = torch.einsum("bd,bnd->bn", held, contexts).clamp(-float(MAX_SCORE), float(MAX_SCORE))
        signs = torch.full((vertices.shape[1],), -1.0, device=self._device)
        signs[0] = 1.0
        valid = self._valid(sources, vertices)  # (B, 1 + N)
        gradients = rate * signs * torch.sigmoid(-signs * scores) * valid
        decay = rate * self._options.sampling.regularisation
        moves = torch.einsum("bn,bnd->bd", gradients, contexts) - decay * vertices.shape[1] * held
        context_moves = gradients[:, :, None] * held[:, None, :] - decay * valid[:, :, None] * contexts
        self._move(self._vectors, sources, moves)
        self._move(self._contexts, vertices.flatten(), context_moves.flatten(0, 1))
        return -(torch.nn.functional.logsigmoid(signs * scores) * valid).sum()

    def _valid(self, sources: Tensor, vertices: Tensor) -> Tensor:
        """Return 0 for a negative that is the target itself or, of first order, the source; else 1. (B, 1 + N)."""
        own = vertices == vertices[:, :1]
        own[:, 0] = False
        if self._options.order == 1:
            own |= vertices == sources[:, None]
        return (~own).float()

    def _move(self, rows: Tensor, vertices: Tensor, moves: Tensor) -> None:
        """Add `moves` (M, D) to the rows of `vertices` (M,), those of a vertex that comes too often shortened."""
        self._counts.index_add_(0, vertices, torch.ones_like(vertices, dtype=torch.float32))
        moves *= (MAX_STEPS / self._counts[vertices]).clamp(max=1.0)[:, None]
        self._counts[vertices] = 0.0
        rows.index_add_(0, vertices, moves)
