"""Rank ensembling: models whose scores live on different scales vote with the places they give.

Text2Mol (EMNLP 2021): average the ranks that the models give to every candidate, then rank the averages
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_rows, require_without_nan


@torch.no_grad()
def rank_matrix(scores: Shaped[Tensor, "queries candidates"]) -> Float[Tensor, "queries candidates"]:
    """Place of every candidate in its row, 1 for the highest score; tied candidates share their mean place.

    Shape: (queries, candidates) to (queries, candidates), float64.

    Raises: ValueError where scores is empty or holds NaN.

    >>> rank_matrix(torch.tensor([[0.1, 0.7, 0.7, 0.2]])).tolist()
    [[4.0, 1.5, 1.5, 3.0]]
    """
    require_rows("scores", scores, 2)
    require_without_nan("scores", scores)
    ordered = torch.sort(scores, dim=1).values
    values = scores.contiguous()
    up_to = torch.searchsorted(ordered, values, right=True)
    below = torch.searchsorted(ordered, values)
    return 1.0 + (scores.shape[1] - up_to).double() + 0.5 * (up_to - below - 1).double()


@torch.no_grad()
def rank_ensemble(
    matrices: Sequence[Shaped[Tensor, "queries candidates"]],
    *,
    kind: Literal["scores", "ranks"] = "scores",
    weights: Sequence[float] | None = None,
) -> Float[Tensor, "queries candidates"]:
    """Ranks of the weighted mean rank of several models; `-result` is a score matrix for `ranks_from_scores`.

    Shape: each matrix (queries, candidates); result (queries, candidates), float64, 1 is best.

    Args:
        kind: "scores" (higher is better, ranked here first) or "ranks" (lower is better, taken as they are).
        weights: one positive weight a model; None weighs all alike.

    Raises: ValueError for no matrix, shapes that differ, NaN, or weights that do not fit.
    """
    if not matrices:
        raise ValueError("rank_ensemble got no matrix; pass one score or rank matrix a model.")
    shapes = {tuple(matrix.shape) for matrix in matrices}
    if len(shapes) > 1:
        raise ValueError(f"matrices have the shapes {sorted(shapes)}; rank the same queries and candidates.")
    if kind not in ("scores", "ranks"):
        raise ValueError(f"kind is {kind!r}; choose scores or ranks.")
    chosen = [1.0] * len(matrices) if weights is None else [float(weight) for weight in weights]
    if len(chosen) != len(matrices) or not all(0 < weight < float("inf") for weight in chosen):
        raise ValueError(f"weights are {chosen} for {len(matrices)} matrices; give one positive number a matrix.")
    # A sum orders the candidates like a mean, and sums of half-integers stay exact, so ties stay ties.
    total = torch.zeros(matrices[0].shape, dtype=torch.float64, device=matrices[0].device)
    for matrix, weight in zip(matrices, chosen, strict=True):
        places = rank_matrix(matrix) if kind == "scores" else matrix.double()
        total += weight * places
    return rank_matrix(-total)
