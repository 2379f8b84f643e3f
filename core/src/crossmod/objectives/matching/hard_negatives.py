"""Drawing hard negatives: pairs that do not match but look as if they did (ALBEF, arXiv:2107.07651)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Missing = Literal["error", "skip"]


class DrawnPairs(NamedTuple):
    """Pairs that do not match, at most one for each row.

    Shape:
        row: [drawn] int64, ascending; rows without a candidate are absent.
        column: [drawn] int64, the drawn counterpart of each.
    """

    row: Int64[Tensor, "drawn"]
    column: Int64[Tensor, "drawn"]


def negative_pairs(
    group_a: Int64[Tensor, "rows"], group_b: Int64[Tensor, "columns"] | None = None
) -> Bool[Tensor, "rows columns"]:
    """Which pairs may serve as negatives: those of different groups; True = may.

    With `group_b` None, the columns are the rows' own counterparts.

    Shape:
        group_a: [rows] int64; group_b: [columns] int64.
    """
    return group_a[:, None] != (group_a if group_b is None else group_b)[None, :]


@torch.no_grad()
def draw_hard_negatives(
    logits: Float[Tensor, "rows columns"],
    allowed: Bool[Tensor, "rows columns"],
    *,
    generator: torch.Generator | None = None,
    missing: Missing = "error",
) -> DrawnPairs:
    """Draw one column a row with probability softmax_j(logits_ij) over the allowed columns of that row.

    Forbidden logits are -inf before the softmax, so that saturation cannot leave a row without probability, which is
    what fails in the released code when the diagonal is zeroed after it. The draw is the largest of logit + Gumbel
    noise, which has that distribution and cannot land on a forbidden column.

    Args:
        logits: Similarities times scale; of any floating type, drawn from in float32.
        allowed: Which pairs do not match, as from `negative_pairs`.
        generator: Of the draw; None takes torch's own, on the device of the logits.
        missing: What to do with a row without any allowed column: "error", or "skip" it.

    Raises:
        ValueError: Shapes differ, an allowed logit is NaN or infinite, or a row has no candidate and is not to be
            skipped.
    """
    if logits.ndim != 2 or logits.shape != allowed.shape:
        raise ValueError(
            f"logits of shape {list(logits.shape)} with a mask of shape {list(allowed.shape)}; give one matrix of "
            "each, rows by columns."
        )
    if not bool((torch.isfinite(logits) | ~allowed).all()):
        raise ValueError("similarities contain NaN or infinity, so no negative can be drawn; look at the embeddings.")
    row = _rows_with_candidates(allowed, missing)
    if not len(row):
        return DrawnPairs(row, row.clone())
    masked = logits[row].float().masked_fill(~allowed[row], -torch.inf)
    # Relative to the largest, so that noise is not lost in the rounding of large logits.
    masked = masked - masked.amax(dim=1, keepdim=True)
    smallest = torch.finfo(torch.float32).tiny
    exponential = torch.empty_like(masked).exponential_(generator=generator).clamp_(min=smallest)
    return DrawnPairs(row, (masked - exponential.log()).argmax(dim=1))


def _rows_with_candidates(allowed: Tensor, missing: Missing) -> Tensor:
    if missing not in ("error", "skip"):
        raise ValueError(f"missing={missing!r} is unknown; take 'error' or 'skip'.")
    some = allowed.any(dim=1)
    if missing == "error" and not bool(some.all()):
        first = int((~some).nonzero()[0, 0])
        raise ValueError(
            f"row {first} of {len(some)} has no pair that may be a negative: every counterpart describes the same "
            "thing; take larger batches or draw groups instead of rows."
        )
    return some.nonzero()[:, 0]
