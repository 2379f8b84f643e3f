"""What a tower offers to be pre-trained on its visible tokens alone."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.tower import Tokens
from crossmod.objectives.local.visible_tokens import VisibleTokens


@runtime_checkable
class VisibleTower(Protocol):
    """A tower that can leave hidden tokens out, instead of replacing them, and says what a token's content is.

    Attributes:
        width: Width of the states.
        patch_values: Numbers of one patch: pixels times channels, samples of a frame.
        patch_axes: Number of coordinates of a patch (2 for images, 3 for volumes and points).
    """

    width: int
    patch_values: int
    patch_axes: int

    def tokenise(self, inputs: Any, /) -> Tokens:
        """Embed the inputs into tokens."""
        ...

    def encode_visible(self, tokens: Tokens, visible: Bool[Tensor, "batch length"], /) -> VisibleTokens:
        """States of the visible tokens, in the layout of `gather_visible`; the others have no part in them."""
        ...

    def patches(self, tokens: Tokens, /) -> Float[Tensor, "batch length patch_values"]:
        """What is to be rebuilt, in the units of the tower's input."""
        ...

    def coordinates(self, tokens: Tokens, /) -> Float[Tensor, "batch length patch_axes"]:
        """Where each patch lies, for the decoder's positions."""
        ...
