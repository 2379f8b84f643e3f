"""Objectives: what a batch of features is scored by, and the lazy view of the model that they draw on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor, nn

from crossmod.contracts.batch import Batch
from crossmod.contracts.tower import Features, Tower


class Outcome(NamedTuple):
    """A loss to descend, and the named terms to log (detached)."""

    loss: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]


class Forwards(Protocol):
    """The model applied to one batch: lazy and memoised; what no objective asks for is not computed."""

    def tower(self, modality: str) -> Tower:
        """The tower itself, for objectives that run it in a way of their own."""
        ...

    def features(self, modality: str) -> Features:
        """The tower's features of the rows that have `modality`."""
        ...

    def embedding(self, modality: str) -> Float[Tensor, "present dim"]:
        """The projected, L2-normalised embeddings of the rows that have `modality`."""
        ...

    def project(self, modality: str, pooled: Float[Tensor, "*items width"]) -> Float[Tensor, "*items dim"]:
        """Embeddings of features that an objective made itself: other views, the classes of a vocabulary, tokens."""
        ...


class Objective(nn.Module, ABC):
    """A term of the loss.

    Attributes:
        couples_batch: True when the loss couples the samples of a batch through their embeddings alone
            (contrast); False when it is additive over samples (reconstruction). Chunked backward asks.
        hidden: By modality, of how many top layers `Features.hidden` has to bring the states; mostly none.
    """

    couples_batch: bool
    hidden: Mapping[str, int] = MappingProxyType({})

    @abstractmethod
    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score one batch."""

    def after_step(self) -> None:
        """Bring own parameters back into their range after an optimiser step (a logit scale's clamp)."""
