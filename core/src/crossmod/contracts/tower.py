"""Towers: the encoder of one modality, and the features that every one of them returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.processor import Processor


class Features(NamedTuple):
    """What every tower returns.

    Shape:
        pooled: [batch, width]; one vector a sample.
        tokens: [batch, length, width] or None; padded where `mask` is false.
        mask: [batch, length] or None; true = real token.
        hidden: states of the top layers, lowest first, each [batch, length, width]; only when an objective asks for
            them (`Objective.hidden`).
    """

    pooled: Float[Tensor, "batch width"]
    tokens: Float[Tensor, "batch length width"] | None = None
    mask: Bool[Tensor, "batch length"] | None = None
    hidden: Sequence[Tensor] | None = None


class Tokens(NamedTuple):
    """A tower's tokens before its first block, for masked objectives.

    Shape:
        values: [batch, length, inner width]; embedded tokens, positions not yet added; the width is the tower's own.
        targets: [batch, length]; the discrete token to reconstruct, in [0, vocabulary).
        mask: [batch, length]; true = real token that may be masked.
        context: whatever else the tower needs to encode them (edges, padding), opaque to objectives.
    """

    values: Float[Tensor, "batch length inner"]
    targets: Int64[Tensor, "batch length"]
    mask: Bool[Tensor, "batch length"]
    context: Any = None


class Tower(nn.Module, ABC):
    """The encoder of one modality.

    Attributes:
        width: The width of `Features.pooled` and of `Features.tokens`.
        processor: What turns raw items into this tower's inputs; its spec is part of every checkpoint.
    """

    width: int
    processor: Processor

    @abstractmethod
    def forward(self, inputs: Any, /) -> Features:
        """Encode a minibatch of this modality's inputs."""

    @property
    def state_layers(self) -> Sequence[nn.Module]:
        """The layers whose outputs are states of all tokens, lowest first; none where a tower has no such layers.

        They are the tower's `blocks`, where it has a list of that name.
        """
        blocks = getattr(self, "blocks", None)
        return tuple(blocks) if isinstance(blocks, nn.ModuleList) else ()

    @property
    def state_norm(self) -> nn.Module | None:
        """The norm behind the last of those layers, where it is not part of it: the tower's `norm`."""
        norm = getattr(self, "norm", None)
        return norm if isinstance(norm, nn.Module) else None


class TokenTower(Tower):
    """A tower whose tokens can be hidden and reconstructed.

    Attributes:
        vocabulary: The number of discrete tokens that `Tokens.targets` counts.
    """

    vocabulary: int

    @abstractmethod
    def tokenise(self, inputs: Any, /) -> Tokens:
        """Embed the inputs into tokens."""

    @abstractmethod
    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the tokens where `keep` is false replaced by a learned mask token."""
