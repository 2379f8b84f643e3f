"""Wider layers that compute what they computed before (Net2Net, arXiv:1511.05641; GrowCLIP, arXiv:2308.11331).

The head size of attention stays fixed; its inner width grows by whole heads.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

How = Literal["zero", "duplicate"]


def copied_outputs(weight: Float[Tensor, "old *rest"], source: Int64[Tensor, "new"]) -> Float[Tensor, "new *rest"]:
    """The rows of a weight or bias for new output units that each copy an old one: W'_j = W_source(j)."""
    return weight[source]


def shared_inputs(weight: Float[Tensor, "out old"], source: Int64[Tensor, "new"]) -> Float[Tensor, "out new"]:
    """The columns for new inputs that copy old ones: W'_:j = W_:source(j) / (number of copies of source(j)).

    With inputs copied by `source`, W' x' = W x exactly up to rounding.

    Raises:
        ValueError: Some old input has no copy, so that what it carried would be lost.
    """
    copies = torch.bincount(source, minlength=weight.shape[1])
    if len(copies) > weight.shape[1] or not bool((copies > 0).all()):
        raise ValueError(f"the copies {source.tolist()} do not cover inputs 0 to {weight.shape[1] - 1} and no others.")
    return weight[:, source] / copies[source].to(weight.dtype)


@torch.no_grad()
def widen_hidden(
    into: nn.Linear, out_of: nn.Linear, width: int, how: How = "zero", generator: torch.Generator | None = None
) -> tuple[nn.Linear, nn.Linear]:
    """[C] Give a hidden layer more units, with out_of(f(into(x))) unchanged for every elementwise f.

    "zero": new units have fresh incoming weights and outgoing zeros, so they differ from all others and learn at once.
    "duplicate" (Net2WiderNet): each new unit copies one drawn at random, whose outgoing weights all its copies share.
    Copies have equal gradients and stay equal until something sets them apart, such as `inherit` with beta < 1.

    Args:
        into: The layer that makes the hidden units.
        out_of: The layer that reads them.
        width: New number of hidden units.
        how: "zero" or "duplicate".
        generator: Of the draws.

    Returns:
        The two wider layers; the old ones stay as they are.

    Raises:
        ValueError: The layers do not meet, or `width` is smaller than it was.
    """
    old = into.out_features
    if out_of.in_features != old or width < old:
        raise ValueError(
            f"a hidden layer made with {old} units and read with {out_of.in_features} cannot have {width}; give the "
            "two layers around it and no smaller width."
        )
    source = _sources(old, width, how, generator, into.weight.device)
    return _grown(into, out_of, source, source, old, how, generator)


@torch.no_grad()
def widen_heads(
    query_key_value: nn.Linear,
    out: nn.Linear,
    heads: int,
    new_heads: int,
    how: How = "zero",
    generator: torch.Generator | None = None,
) -> tuple[nn.Linear, nn.Linear]:
    """[C] Give an attention more heads of the same size, with its output unchanged; `how` as in `widen_hidden`.

    Args:
        query_key_value: Packed projection, rows ordered (query, key, value) x head x unit.
        out: Reads the concatenated heads.
        heads: Heads so far.
        new_heads: Heads afterwards; the block has to compute with this number and the grown inner width.
        how: "zero" or "duplicate".
        generator: Of the draws.

    Raises:
        ValueError: The layers do not fit the heads, or heads would be lost.
    """
    inner = out.in_features
    if query_key_value.out_features != 3 * inner or inner % heads or new_heads < heads:
        raise ValueError(
            f"layers of {query_key_value.out_features} and {inner} units cannot go from {heads} to {new_heads} heads: "
            "the packed one has three times the inner width, and heads never become fewer."
        )
    size = inner // heads
    chosen = _sources(heads, new_heads, how, generator, out.weight.device)
    units = (chosen[:, None] * size + torch.arange(size, device=chosen.device)).flatten()
    packed = torch.cat([units + part * inner for part in range(3)])
    return _grown(query_key_value, out, packed, units, inner, how, generator)


def _sources(old: int, new: int, how: How, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Which old unit each new one is made from: itself first, then (for "zero" only a place holder) a drawn one."""
    if how not in ("zero", "duplicate"):
        raise ValueError(f"growth by {how!r} is unknown; take 'zero' or 'duplicate'.")
    drawn = torch.randint(old, (new - old,), generator=generator)
    return torch.cat([torch.arange(old), drawn]).to(device)


def _grown(
    into: nn.Linear,
    out_of: nn.Linear,
    rows: Tensor,
    columns: Tensor,
    kept: int,
    how: How,
    generator: torch.Generator | None,
) -> tuple[nn.Linear, nn.Linear]:
    """Layers with the outputs of `into` taken from `rows` and the inputs of `out_of` from `columns`.

    The first `kept` columns are the old units. The rows of `into` are as many blocks of columns as it packs.
    """
    weight, bias = copied_outputs(into.weight, rows), None if into.bias is None else copied_outputs(into.bias, rows)
    reading = shared_inputs(out_of.weight, columns) if how == "duplicate" else out_of.weight[:, columns].clone()
    if how == "zero":
        new = (torch.arange(len(rows), device=rows.device) % len(columns)) >= kept
        fresh = torch.empty(int(new.sum()), into.in_features).uniform_(-1, 1, generator=generator)
        # The spread of nn.Linear's own start.
        weight[new] = (fresh * into.in_features**-0.5).to(weight)
        if bias is not None:
            bias[new] = 0.0
        reading[:, kept:] = 0.0
    return _linear(weight, bias), _linear(reading, None if out_of.bias is None else out_of.bias.clone())


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    return layer
