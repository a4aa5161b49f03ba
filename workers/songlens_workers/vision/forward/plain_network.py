"""Networks that are one plain sequence of layers, such as VGG-19: whoever executes them may join and pack layers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class PlainNetwork(nn.Module):
    """Convolutions and pooling, fully-connected layers, and whatever comes after them.

    Each convolution and each fully-connected layer is followed by a ReLU; pooling takes the maximum of 2 x 2 pixels.
    """

    def __init__(
        self,
        maps: Sequence[nn.Conv2d | nn.MaxPool2d],
        connected: Sequence[nn.Linear] = (),
        rest: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.maps = nn.Sequential(*maps)
        self.connected = nn.Sequential(*connected)
        self.rest = nn.Identity() if rest is None else rest

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 (N, D) of normalised float32 (N, 3, S, S)."""
        _, last = deque(self.steps(images), maxlen=1).pop()  # what came before is let go of
        features: Tensor = self.rest(last)
        return features

    def steps(self, images: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
        """Yield each layer and what it makes: after its ReLU, or pooled."""
        values = images
        for layer in self.maps:
            values = layer(values)
            if isinstance(layer, nn.Conv2d):
                values = F.relu(values, inplace=True)
            yield layer, values
        if len(self.connected):
            values = values.flatten(1)
        for layer in self.connected:
            values = F.relu(layer(values), inplace=True)
            yield layer, values

    @property
    def first(self) -> nn.Conv2d:
        """The layer that sees the photo."""
        layer = self.maps[0]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def linears(self) -> list[nn.Linear]:
        """Return the fully-connected layers."""
        return [layer for layer in self.connected if isinstance(layer, nn.Linear)]

    @property
    def layers_with_weights(self) -> int:
        """How many layers have weights."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.maps) + len(self.connected)

    def sides(self, side: int) -> list[int]:
        """Return how many pixels a side the maps have that each of `maps` takes, beginning with `side`."""
        found = []
        for layer in self.maps:
            found.append(side)
            if isinstance(layer, nn.Conv2d):
                side = (side + 2 * int(layer.padding[0]) - layer.kernel_size[0]) // layer.stride[0] + 1
            else:
                side //= 2
        return found
