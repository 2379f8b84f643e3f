"""The shape of a joint space: how far apart two modalities lie, how well pairs align, how evenly points spread."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.similarity import DEFAULT_MEMORY_BYTES, Embeddings
from crossmod_metrics.validation import require_equal_lengths, require_same_width


def modality_gap(a: Shaped[Tensor, "a_samples dim"], b: Shaped[Tensor, "b_samples dim"]) -> float:
    """Distance of the two means on the unit sphere: || mean_i a_i - mean_j b_j ||_2 after normalisation.

    Liang et al. (NeurIPS 2022); the form that Cross the Gap reports. 0 is no gap, 2 is opposite points.

    Shape: a (a_samples, dim), b (b_samples, dim); the sides need not be paired.

    Raises: ValueError for empty or non-finite input, widths that differ, or an embedding of length zero.

    >>> modality_gap(torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.0, 0.0]]))
    2.0
    """
    require_same_width("a", a, "b", b)
    return float((_unit("a", a).mean(dim=0) - _unit("b", b).mean(dim=0)).norm())


def alignment(a: Shaped[Tensor, "pairs dim"], b: Shaped[Tensor, "pairs dim"], alpha: float = 2.0) -> float:
    """Mean distance of positive pairs, mean_i || a_i - b_i ||_2^alpha after normalisation; 0 is best.

    Wang and Isola (ICML 2020).

    Shape: a and b (pairs, dim), row i of one belongs to row i of the other.

    Raises: ValueError as `modality_gap`, or where lengths differ.

    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
    2.0
    """
    require_equal_lengths(("a", "b"), (a, b))
    require_same_width("a", a, "b", b)
    squared = (_unit("a", a) - _unit("b", b)).square().sum(dim=1)
    return float((squared ** (alpha / 2)).mean())


@torch.no_grad()
def uniformity(
    embeddings: Shaped[Tensor, "samples dim"], t: float = 2.0, *, memory_bytes: int = DEFAULT_MEMORY_BYTES
) -> float:
    """log mean_{i < j} exp(-t || x_i - x_j ||^2) after normalisation, over pairs of different samples; lower
    is better.

    Wang and Isola (ICML 2020). 0 is one point for all; -2 t is every pair opposite.

    Shape: embeddings (samples, dim); the samples x samples matrix is done in blocks of rows.

    Raises: ValueError for empty or non-finite input, fewer than two samples, or an embedding of length zero.
    """
    unit = _unit("embeddings", embeddings)
    samples = len(unit)
    if samples < 2:
        raise ValueError("embeddings has one sample; uniformity needs pairs.")
    rows = max(1, memory_bytes // (16 * samples))
    total = unit.new_zeros(())
    for start in range(0, samples, rows):
        block = unit[start : start + rows]
        # In place: the block of squared distances is the working memory.
        squared = (block @ unit[start:].T).mul_(-2.0).add_(2.0).clamp_min_(0.0)
        total += squared.mul_(-t).exp_().triu_(diagonal=1).sum()
    return float(torch.log(total / (samples * (samples - 1) / 2)))


def _unit(name: str, values: Shaped[Tensor, "samples dim"]) -> Float[Tensor, "samples dim"]:
    unit = Embeddings.check(name, values, normalise=True).double(0, len(values))
    empty = int((values == 0).all(dim=1).sum())
    if empty:
        raise ValueError(f"{name} holds {empty} embedding(s) of length zero, which have no direction; remove them.")
    return unit
