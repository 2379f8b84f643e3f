"""Vectors of one modality's items, each computed once however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.batch import Inputs


class EmbeddedItems:
    """Encodes items when they are first asked for.

    Args:
        encode: Gives one row an input, such as `model.embed` of a modality; must not change in between.
        inputs: Of all items.
    """

    def __init__(self, encode: Callable[[Inputs], Float[Tensor, "items dim"]], inputs: Inputs) -> None:
        self._encode, self._inputs = encode, inputs
        self._row = torch.full((len(inputs),), -1)
        self._vectors: Tensor | None = None

    def of(self, item: Int64[Tensor, "items"]) -> Float[Tensor, "items dim"]:
        """The vectors of the items at these positions."""
        new = torch.unique(item[self._row[item] < 0])
        if self._vectors is None:
            self._vectors = self._encode(self._inputs.take(new))
        elif len(new):
            self._vectors = torch.cat([self._vectors, self._encode(self._inputs.take(new))])
        self._row[new] = torch.arange(len(self._vectors) - len(new), len(self._vectors))
        return self._vectors[self._row[item]]
