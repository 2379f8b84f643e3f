"""What a tower offers to have whole words hidden, where its tokens are pieces of words."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.tower import Tokens


@runtime_checkable
class WordTower(Protocol):
    """A tower that knows which of its tokens spell one word."""

    def word_groups(self, tokens: Tokens, /) -> Int64[Tensor, "batch length"]:
        """The number of each token's word within its sample; -1 where a token is of none."""
        ...
