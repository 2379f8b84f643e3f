"""The embeddings of one modality's items, each computed once however often it is asked for."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.model import CrossModal
from crossmod.training.prepare import Prepared


class EmbeddedItems:
    """Embeds items when they are first asked for.

    Args:
        model: The model, which must not change in between.
        prepared: The corpus.
        modality: Whose items.
    """

    def __init__(self, model: CrossModal, prepared: Prepared, modality: str) -> None:
        self._model, self._inputs, self._modality = model, prepared.inputs[modality], modality
        self._row = torch.full((len(self._inputs),), -1)
        self._vectors = torch.empty(0, model.embedding_width)

    def of(self, item: Int64[Tensor, "items"]) -> Float[Tensor, "items dim"]:
        """The embeddings of the items at these positions."""
        new = item[self._row[item] < 0]
        if len(new):
            self._row[new] = torch.arange(len(self._vectors), len(self._vectors) + len(new))
            fresh = self._model.embed(self._modality, self._inputs.take(new))
            self._vectors = torch.cat([self._vectors, fresh])
        return self._vectors[self._row[item]]
