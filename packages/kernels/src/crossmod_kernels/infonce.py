"""Symmetric InfoNCE without a matrix of logits in memory: the loss behind CLIP, with groups and extra keys."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.group_match import check_every_row_has_a_key
from crossmod_kernels.positives import Positives, group_positives, identity_positives
from crossmod_kernels.unit_rows import compute_dtype
from crossmod_kernels.validation import check_choices, check_embeddings, check_groups, check_scalar

Memory = Literal["recompute", "keep", "keep-bf16", "auto"]
Backend = Literal["auto", "torch", "triton"]


class Directions(NamedTuple):
    """Losses of every row and every key in nats; keys without a positive row have no loss, only a log-sum.

    Shape: loss_a (batch,); loss_b, has_positive (keys,).
    """

    loss_a: Float[Tensor, "batch"]
    loss_b: Float[Tensor, "keys"]
    has_positive: Bool[Tensor, "keys"]


def infonce(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    reduction: Literal["mean", "none"] = "mean",
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, "*batch"]:
    """Symmetric InfoNCE (arXiv 2103.00020): (L_ab + L_ba) / 2 with L = -mean_i sum_j T_ij log softmax_j(Z_ij).

    Z = scale * a b' of L2-normalised rows; T_ij = [g_i = g_j] / sum_k [g_i = g_k] in each direction, and the
    identity without groups. Keys may outnumber rows, as with a queue: L_ab then runs over every key, L_ba averages
    over the keys that have a positive row. Logits and sums are fp32 for half-precision inputs, and gradients come
    back in the inputs' type. Not-a-number in an input gives a not-a-number loss.

    `normalise=False` takes rows as they are. `memory`: "recompute" forms each tile twice (4 products), "keep" stores
    exp(Z) (3 products, batch * keys numbers), "keep-bf16" stores it rounded (gradients to 3 digits), "auto" keeps
    up to 8 MiB. There is no double backward.

    Shape: a (batch, dim); b (keys, dim), keys >= batch without groups; scale (); group_a (batch,); group_b (keys,),
        by default group_a; returns () for "mean", (batch,) for "none", the mean of both directions for each pair.

    Raises:
        ValueError: for shapes, types or devices that do not fit, a scale not above 0, a row without a positive key,
            or reduction "none" where a key has no row.
    """
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction={reduction!r} is unknown: choose mean or none")
    directions = infonce_directions(
        a,
        b,
        scale,
        group_a=group_a,
        group_b=group_b,
        normalise=normalise,
        memory=memory,
        tile=tile,
        backend=backend,
    )
    if reduction == "mean":
        counted = directions.has_positive
        loss_b = torch.where(counted, directions.loss_b, 0.0).sum() / counted.sum()
        return (directions.loss_a.mean() + loss_b) / 2
    if len(a) != len(b) or not bool(directions.has_positive.all()):
        raise ValueError(
            f"reduction='none' gives one loss a pair, but {len(a)} rows meet {len(b)} keys of which "
            f"{int(directions.has_positive.sum())} have a row: take infonce_directions"
        )
    return (directions.loss_a + directions.loss_b) / 2


def infonce_directions(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "keys"] | None = None,
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Directions:
    """The loss of every row and of every key, for reductions of one's own; arguments as for `infonce`.

    Shape: a (batch, dim); b (keys, dim); returns (batch,), (keys,) and the keys that count.

    Raises:
        ValueError: as `infonce`.
    """
    check_embeddings(a, b, paired=group_a is None)
    check_scalar("scale", scale, positive=True)
    check_groups(a, b, group_a, group_b)
    check_choices(memory, backend, tile)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    positives = _positives(a, b, group_a, group_b, like)
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend)
    loss_a, loss_b = contrast(a, b, scale, (positives.targets,), options)
    return Directions(loss_a, loss_b, positives.has_positive)


def _positives(a: Tensor, b: Tensor, group_a: Tensor | None, group_b: Tensor | None, like: Tensor) -> Positives:
    if group_a is None:
        return identity_positives(len(a), len(b), like)
    keys = group_a if group_b is None else group_b
    check_every_row_has_a_key(group_a, keys)
    return group_positives(group_a, keys, like)
