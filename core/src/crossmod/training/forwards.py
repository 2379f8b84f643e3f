"""The model applied to one batch, lazily and at most once a modality."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features, Tower
from crossmod.model import CrossModal
from crossmod.training.hidden_states import features_with_states


class BatchForwards:
    """A `Forwards` that runs the towers on demand and remembers what it ran.

    Args:
        model: The model.
        batch: The batch, on the model's device.
        hidden: By modality, of how many top layers the features bring the states (`Mixture.hidden`).
    """

    def __init__(self, model: CrossModal, batch: Batch, hidden: Mapping[str, int] = MappingProxyType({})) -> None:
        self._model, self._batch, self._hidden = model, batch, hidden
        self._features: dict[str, Features] = {}
        self._embedding: dict[str, Tensor] = {}

    def tower(self, modality: str) -> Tower:
        """The tower of a modality."""
        return self._model.tower(modality)

    def features(self, modality: str) -> Features:
        """The features of the rows that have the modality."""
        if modality not in self._features:
            tower = self._model.tower(modality)
            inputs, states = self._batch.inputs[modality], self._hidden.get(modality, 0)
            self._features[modality] = features_with_states(tower, inputs, states) if states else tower(inputs)
        return self._features[modality]

    def embedding(self, modality: str) -> Tensor:
        """The normalised embeddings of the rows that have the modality."""
        if modality not in self._embedding:
            self._embedding[modality] = self._model.project(modality, self.features(modality).pooled)
        return self._embedding[modality]

    def project(self, modality: str, pooled: Tensor) -> Tensor:
        """The normalised embeddings of pooled features."""
        return self._model.project(modality, pooled)


class FixedEmbeddings:
    """A `Forwards` over embeddings that are already there; objectives that want more are refused.

    Args:
        model: The model, for `tower`.
        embeddings: By modality, [present, dim].
    """

    def __init__(self, model: CrossModal, embeddings: Mapping[str, Tensor]) -> None:
        self._model, self._embeddings = model, embeddings

    def tower(self, modality: str) -> Tower:
        """The tower of a modality."""
        return self._model.tower(modality)

    def features(self, modality: str) -> Features:
        """Not to be had: features of a whole batch are what chunking avoids to keep."""
        raise ValueError(
            f"an objective asks for the features of {modality!r} over the whole batch, which chunked backward does "
            "not keep; set run.chunk_size 0 or use an objective on embeddings."
        )

    def embedding(self, modality: str) -> Tensor:
        """The given embeddings."""
        return self._embeddings[modality]

    def project(self, modality: str, pooled: Tensor) -> Tensor:
        """The normalised embeddings of pooled features."""
        return self._model.project(modality, pooled)
