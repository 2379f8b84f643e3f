"""One direction of a contrast with exceptions: forbidden pairs, and negatives that belong to one row alone."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from crossmod.distributed.gather import gather_with_gradient
from crossmod.distributed.world import rank, world_size
from crossmod.objectives.pairs.precision import unit, without_autocast
from crossmod.state.gathered_rows import gather_rows


def row_contrast(
    query: Float[Tensor, "rows dim"],
    keys: Float[Tensor, "keys dim"],
    scale: Float[Tensor, ""],
    positive: Bool[Tensor, "rows keys"],
    *,
    forbidden: Bool[Tensor, "rows keys"] | None = None,
    own_negatives: Float[Tensor, "rows extra dim"] | None = None,
    own_mask: Bool[Tensor, "rows extra"] | None = None,
) -> Float[Tensor, "rows"]:
    """-(1/|P_i|) sum_{j in P_i} log softmax_j(scale <q_i, k_j>), over keys that are not forbidden and own negatives.

    Rows are L2-normalised here; half precision is scored in float32, under autocast too.

    Args:
        query: The rows that are scored.
        keys: What all rows are contrasted with.
        scale: 1/temperature.
        positive: The keys that belong to each row, at least one.
        forbidden: Pairs left out of the softmax; positives stay in it.
        own_negatives: Further negatives of each row, which no other row meets.
        own_mask: Which of those are there; None all.

    Raises:
        ValueError: Shapes do not fit, or a row has no positive.
    """
    if positive.shape != (len(query), len(keys)):
        raise ValueError(f"{len(query)} rows and {len(keys)} keys with positives of shape {list(positive.shape)}.")
    if not bool(positive.any(1).all()):
        raise ValueError(f"row {int((~positive.any(1)).nonzero()[0, 0])} has no positive key; leave it out.")
    if query.shape[1] != keys.shape[1] or (forbidden is not None and forbidden.shape != positive.shape):
        raise ValueError(
            f"queries of shape {list(query.shape)} and keys of shape {list(keys.shape)} with forbidden pairs of shape "
            f"{None if forbidden is None else list(forbidden.shape)} do not fit; give one width, and one entry a pair."
        )
    _require_own(query, own_negatives, own_mask)
    query, keys = unit(query), unit(keys)
    with without_autocast(query):
        logits = scale * query @ keys.T
    if forbidden is not None:
        logits = logits.masked_fill(forbidden & ~positive, -torch.inf)
    if own_negatives is not None:
        with without_autocast(query):
            own = scale * torch.einsum("rd,red->re", query, unit(own_negatives).to(query.dtype))
        logits = torch.cat([logits, own if own_mask is None else own.masked_fill(~own_mask, -torch.inf)], dim=1)
        positive = pad(positive, (0, own.shape[1]))
    log_probability = torch.log_softmax(logits, dim=1).masked_fill(~positive, 0.0)
    return -log_probability.sum(1) / positive.sum(1)


def _require_own(query: Tensor, negatives: Tensor | None, mask: Tensor | None) -> None:
    if negatives is None:
        return
    if (len(negatives), negatives.shape[-1]) != tuple(query.shape) or (
        mask is not None and mask.shape != negatives.shape[:2]
    ):
        raise ValueError(
            f"{len(query)} rows of width {query.shape[1]} have negatives of their own of shape {list(negatives.shape)} "
            f"with a mask of shape {None if mask is None else list(mask.shape)}; give [rows, extra, dim] and "
            "[rows, extra]."
        )


def share_of_mean(losses: Float[Tensor, "rows"]) -> Float[Tensor, ""]:
    """This process's share of the mean over the rows of all processes: the shares average to it. No row at all is a 0.

    Every process has to call this.
    """
    if world_size() == 1:
        return losses.mean() if len(losses) else losses.sum()
    (everyone,) = gather_rows(losses.detach())
    return losses.sum() * (world_size() / max(1, len(everyone)))


def first_row(rows: int, device: torch.device) -> int:
    """Where this process's rows begin among those of all processes; every process has to call this."""
    if world_size() == 1:
        return 0
    (counts,) = gather_rows(torch.tensor([rows], device=device))
    return int(counts[: rank()].sum())


def join_rows(local: Float[Tensor, "local dim"]) -> tuple[Float[Tensor, "all dim"], int]:
    """The rows of all processes with gradient, however many each has, and where this process's own begin."""
    if world_size() == 1:
        return local, 0
    counts = [int(count) for count in gather_rows(torch.tensor([len(local)], device=local.device))[0]]
    longest = max(counts)
    padded = gather_with_gradient(pad(local, (0, 0, 0, longest - len(local))))
    parts = [padded[number * longest : number * longest + count] for number, count in enumerate(counts)]
    return torch.cat(parts), sum(counts[: rank()])


def same_group(
    group: Int64[Tensor, "rows"], group_keys: Int64[Tensor, "keys"], start: int
) -> Bool[Tensor, "rows keys"]:
    """Which keys describe the same thing as a row; the row's own key, at `start` + its number, always does."""
    same = group[:, None] == group_keys[None, :]
    own = torch.arange(len(group), device=group.device)
    same[own, start + own] = True
    return same
