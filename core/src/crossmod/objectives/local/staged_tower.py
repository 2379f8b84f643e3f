"""What a tower of pictures offers to have their colours rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class StagedTower(Protocol):
    """A tower whose stages give maps of falling resolution, as hierarchical networks do.

    Attributes:
        width: Width of the pooled vector.
        stage_channels: Channels of each stage's map, finest first.
        colours: Channels of the picture.
    """

    width: int
    stage_channels: Sequence[int]
    colours: int

    def picture(self, inputs: Any, /) -> Float[Tensor, "batch colours rows columns"]:
        """The inputs as pictures, in the units that `stages` takes."""
        ...

    def stages(
        self, picture: Float[Tensor, "batch colours rows columns"], /
    ) -> Sequence[Float[Tensor, "batch channels rows columns"]]:
        """The maps of a picture, finest first."""
        ...
