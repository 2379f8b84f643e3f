"""What a tower offers to have the parts of its samples aligned: phrases, each with a vector and an identity."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.contracts.tower import Features


class Phrases(NamedTuple):
    """The phrases of every sample, such as the sentences of a report.

    Shape:
        values: [batch, phrases, width]; as wide as the tower's pooled vector.
        mask: [batch, phrases]; false where a sample has fewer phrases than another.
        identity: [batch, phrases]; equal numbers mean the same words.
    """

    values: Float[Tensor, "batch phrases width"]
    mask: Bool[Tensor, "batch phrases"]
    identity: Int64[Tensor, "batch phrases"]

    def take(self, rows: Int64[Tensor, "rows"]) -> Phrases:
        """The samples at these places."""
        return Phrases(self.values[rows], self.mask[rows], self.identity[rows])


@runtime_checkable
class PhraseTower(Protocol):
    """A tower that knows which of its tokens make a phrase.

    Attributes:
        width: Width of phrases and of the pooled vector.
    """

    width: int

    def phrases(self, inputs: Any, features: Features, /) -> Phrases:
        """The phrases of `inputs`, of which the tower made `features` already."""
        ...
