"""Low-rank adapters on linear layers (LoRA, arXiv:2106.09685), one pair or a stack of pairs a layer."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class LowRankLinear(nn.Module):
    """y = W x + bias + (alpha / rank) sum_s B_s A_s dropout(x), with W and bias frozen.

    A starts Kaiming-uniform and B zero, so a fresh adapter changes nothing. `merge_` computes the whole weight once
    and keeps it beside W: unmerging is exact to the bit, and checkpoints hold W and the pairs, merged or not.

    Args:
        base: The layer that is adapted; it is held, not copied.
        rank: Rank of a pair.
        alpha: Numerator of the scale; HiVG uses 16 with rank 32.
        dropout: Probability of dropping a component of the adapters' input in training.
        pairs: Number of pairs; all exist from the start, so that a checkpoint has one structure at every stage.

    Attributes:
        down: The A_s, [rank, in].
        up: The B_s, [out, rank].

    Raises:
        ValueError: Rank or number of pairs is below one.
    """

    def __init__(
        self, base: nn.Linear, rank: int, alpha: float = 16.0, *, dropout: float = 0.0, pairs: int = 1
    ) -> None:
        super().__init__()
        if rank < 1 or pairs < 1:
            raise ValueError(f"{pairs} adapter pairs of rank {rank} adapt nothing; give at least one of rank one.")
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        self.dropout = nn.Dropout(dropout)
        like = base.weight
        self.down = nn.ParameterList(like.new_empty(rank, base.in_features) for _ in range(pairs))
        self.up = nn.ParameterList(like.new_zeros(base.out_features, rank) for _ in range(pairs))
        for down in self.down:
            nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        self._merged: Tensor | None = None

    @property
    def in_features(self) -> int:
        """Width of the input."""
        return self.base.in_features

    @property
    def out_features(self) -> int:
        """Width of the output."""
        return self.base.out_features

    @property
    def weight(self) -> Float[Tensor, "out in"]:
        """W + (alpha / rank) sum_s B_s A_s: what code that reads a linear layer's weight should see."""
        pairs = zip(self.up, self.down, strict=True)
        return self.base.weight + self.scale * sum(
            (up @ down for up, down in pairs), torch.zeros_like(self.base.weight)
        )

    @property
    def bias(self) -> Float[Tensor, "out"] | None:
        """The bias of the adapted layer."""
        return self.base.bias

    def forward(self, inputs: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """Apply the adapted layer."""
        if self._merged is not None:
            return functional.linear(inputs, self._merged, self.base.bias)
        output: Tensor = self.base(inputs)
        dropped = self.dropout(inputs)
        for down, up in zip(self.down, self.up, strict=True):
            output = output + self.scale * functional.linear(functional.linear(dropped, down), up)
        return output

    @torch.no_grad()
    def merge_(self) -> None:
        """Serve from one matrix until `unmerge_`, training mode or newly loaded weights.

        Raises:
            ValueError: The layer is in training mode, where the merged matrix would go stale.
        """
        if self.training:
            raise ValueError("adapters are merged for inference, but the model trains; call eval() first.")
        self._merged = self.weight.clone()

    def unmerge_(self) -> None:
        """Serve from base and pairs again; nothing is subtracted, so the base weight is what it was."""
        self._merged = None

    def train(self, mode: bool = True) -> LowRankLinear:
        """Training unmerges."""
        if mode:
            self.unmerge_()
        super().train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> LowRankLinear:
        # A move to another device or type takes the merged matrix along.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._merged = None if self._merged is None else fn(self._merged)
        return self

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self.unmerge_()
        super()._load_from_state_dict(*arguments)

    @torch.no_grad()
    def plain(self) -> nn.Linear:
        """An ordinary linear layer with the adapters folded in, for export; the adapted one stays as it is."""
        layer = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        layer.weight = nn.Parameter(self.weight.clone())
        if self.bias is not None:
            layer.bias = nn.Parameter(self.bias.clone())
        return layer


def add_adapters(
    model: nn.Module, pattern: str, rank: int, alpha: float = 16.0, *, dropout: float = 0.0, pairs: int = 1
) -> tuple[str, ...]:
    """Replace every linear layer whose whole dotted name matches `pattern` by an adapted one, in place.

    Returns:
        The names of the adapted layers.

    Raises:
        ValueError: The pattern matches no linear layer, or one inside `nn.MultiheadAttention`, which reads its
            projections' weights without calling them and would train nothing.
    """
    names = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and not _inside_adapter(model, name) and re.fullmatch(pattern, name)
    ]
    if not names:
        known = ", ".join(name for name, part in model.named_modules() if isinstance(part, nn.Linear))
        raise ValueError(f"adapter pattern {pattern!r} matches no linear layer that is free; the model has {known}.")
    for name in names:
        owner = model.get_submodule(name.rpartition(".")[0])
        if isinstance(owner, nn.MultiheadAttention):
            raise ValueError(
                f"{name} belongs to nn.MultiheadAttention, which never calls it; adapt layers around the attention, or "
                "use a block with projections of its own."
            )
    for name in names:
        owner, _, attribute = name.rpartition(".")
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        adapted = LowRankLinear(layer, rank, alpha, dropout=dropout, pairs=pairs)
        setattr(model.get_submodule(owner), attribute, adapted.train(layer.training))
    return tuple(names)


def fold_adapters(model: nn.Module) -> tuple[str, ...]:
    """Replace every adapted layer by the plain one with its adapters folded in, in place; returns their names."""
    names = tuple(name for name, part in model.named_modules() if isinstance(part, LowRankLinear))
    for name in names:
        owner, _, attribute = name.rpartition(".")
        layer = model.get_submodule(name)
        assert isinstance(layer, LowRankLinear)
        setattr(model.get_submodule(owner), attribute, layer.plain().train(layer.training))
    return names


def _inside_adapter(model: nn.Module, name: str) -> bool:
    return isinstance(model.get_submodule(name.rpartition(".")[0]), LowRankLinear)
