"""Target builders of one direction: which keys a row is to find, as a constant distribution over them."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.precision import widened


def identity(rows: int, columns: int | None = None, *, like: Tensor) -> Float[Tensor, "rows columns"]:
    """T_ij = [i = j]; columns beyond the rows (a queue) get zero. Type and device are those of `like`.

    Raises:
        ValueError: There are fewer columns than rows.
    """
    columns = rows if columns is None else columns
    if columns < rows:
        raise ValueError(
            f"there are {rows} rows but only {columns} keys; row i is paired with key i, so pass a key for every row"
        )
    return torch.eye(rows, columns, dtype=widened(like).dtype, device=like.device)


def from_groups(
    group_rows: Int64[Tensor, "rows"],
    group_columns: Int64[Tensor, "columns"] | None = None,
    *,
    like: Tensor,
    norm: Literal["sum", "l2"] = "sum",
) -> Float[Tensor, "rows columns"]:
    """T_ij = [g_i = g_j] / sum_k [g_i = g_k]: duplicates, 1-to-K (CCR^k) and identities (PLIP) share the target.

    Ids are compared as integers, whatever the logits' type. `norm="l2"` divides by the root of the count instead, as
    the released CMPM code does; such rows do not sum to one, and only `reverse_divergence` takes them.

    Shape:
        group_rows: [rows]; group_columns: [columns], by default `group_rows`.

    Raises:
        ValueError: Ids are no integers, or a row has no key of its group.
    """
    columns = group_rows if group_columns is None else group_columns
    for name, group in (("rows", group_rows), ("columns", columns)):
        if group.ndim != 1 or group.is_floating_point() or group.is_complex() or group.dtype == torch.bool:
            raise ValueError(
                f"the groups of the {name} have type {group.dtype} and shape {tuple(group.shape)}; pass one int64 id "
                "an item"
            )
    match = group_rows[:, None] == columns[None, :]
    count = match.sum(1, keepdim=True)
    if bool((count == 0).any()):
        row = int((count[:, 0] == 0).nonzero()[0])
        raise ValueError(
            f"row {row} has the group {int(group_rows[row])}, which no key has; pass its pair among the keys"
        )
    count = count.to(widened(like).dtype)
    return match.to(count.dtype) / (count if norm == "sum" else count.sqrt())


@torch.no_grad()
def momentum_soft(
    momentum_logits: Float[Tensor, "rows columns"],
    hard: Float[Tensor, "rows columns"],
    share: float,
    mask: Bool[Tensor, "rows columns"] | None = None,
) -> Float[Tensor, "rows columns"]:
    """share * softmax_j(momentum logits) + (1 - share) * hard (ALBEF, arXiv:2107.07651; share 0.4).

    Shape:
        momentum_logits, hard, mask: [rows, columns]; mask true = allowed.

    Raises:
        ValueError: The share is outside [0, 1].
    """
    _require_share(share, "the momentum model's share of the targets")
    logits = widened(momentum_logits)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    return share * torch.softmax(logits, 1) + (1 - share) * hard


@torch.no_grad()
def noise_smoothed(
    hard: Float[Tensor, "rows columns"],
    doubt: Float[Tensor, "rows"],
    mask: Bool[Tensor, "rows columns"] | None = None,
) -> Float[Tensor, "rows columns"]:
    """T_i = (1 - w_i) hard_i + w_i * uniform over the allowed keys that are no positives of row i (NEVLP).

    A row without any such key keeps its hard target. The spread over the other keys is crossmod's own [C]: the
    paper's formula could not be read.

    Shape:
        hard, mask: [rows, columns]; doubt: [rows], w_i in [0, 1] (`doubt_of`).

    Raises:
        ValueError: A doubt is outside [0, 1] or not a number, or there is not one a row.
    """
    if doubt.shape != hard.shape[:1]:
        raise ValueError(f"there are {tuple(doubt.shape)} doubts for {len(hard)} rows; pass one a row")
    if not bool(((doubt >= 0) & (doubt <= 1)).all()):
        raise ValueError("a row's doubt is outside [0, 1] or not a number; pass doubt_of(posterior)")
    others = hard == 0
    if mask is not None:
        others = others & mask
    count = others.sum(1, keepdim=True)
    weight = doubt.to(hard.dtype)[:, None]
    smoothed = (1 - weight) * hard + weight * others / count.clamp(min=1)
    return torch.where(count > 0, smoothed, hard)


@torch.no_grad()
def doubt_of(posterior: Float[Tensor, "rows"], *, strength: float = 0.5, largest: float = 0.9) -> Float[Tensor, "rows"]:
    """w_i = min(strength * posterior_i, largest), the regularisation of a pair whose noise posterior is eps_i (NEVLP).

    The default strength and ceiling are crossmod's own [C]; the paper's value is unknown.

    Shape:
        posterior: [rows], probability that the pair is noise.

    Raises:
        ValueError: A posterior is outside [0, 1] or not a number.
    """
    if not bool(((posterior >= 0) & (posterior <= 1)).all()):
        raise ValueError("a noise posterior is outside [0, 1] or not a number; pass probabilities")
    return (strength * posterior).clamp(0.0, largest)


@torch.no_grad()
def label_smoothed(hard: Float[Tensor, "rows columns"], amount: float) -> Float[Tensor, "rows columns"]:
    """(1 - amount) * hard + amount / columns, the positives included in the uniform part (arXiv:1512.00567).

    Shape:
        hard: [rows, columns].

    Raises:
        ValueError: The amount is outside [0, 1].
    """
    _require_share(amount, "label smoothing")
    return (1 - amount) * hard + amount / hard.shape[1]


def ramped_share(step: int, ramp_steps: int, share: float = 0.4) -> float:
    """The momentum model's share at a step: linear from 0 over `ramp_steps`, then `share` (ALBEF's first epoch).

    >>> [ramped_share(step, 100) for step in (0, 50, 100, 500)]
    [0.0, 0.2, 0.4, 0.4]
    """
    return share * min(1.0, step / ramp_steps) if ramp_steps > 0 else share


@torch.no_grad()
def target_entropy(targets: Float[Tensor, "rows columns"]) -> Float[Tensor, ""]:
    """Mean entropy of the rows in nats; its exponential is the effective number of positives of a row.

    Shape:
        targets: [rows, columns], rows sum to one.
    """
    entropies: Tensor = torch.special.entr(targets)
    return entropies.sum(1).mean()


def _require_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; pass a number from 0 to 1")
