"""Which of an item's K counterparts is matched jointly: 1-to-K contrast prefers the one that is aligned worst."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Preference = Literal["worst", "uniform", "nearest"]


@torch.no_grad()
def draw_counterparts(
    logits: Float[Tensor, "rows keys"],
    positive: Bool[Tensor, "rows keys"],
    *,
    preference: Preference = "worst",
    generator: torch.Generator | None = None,
) -> Int64[Tensor, "rows"]:
    """One of each row's own keys, drawn by how well it is aligned: the positive of joint matching (CCR^k, 2406.18254).

    With p_ij = softmax_j(logits_ij) over the row's own keys, "worst" draws in proportion to max_k p_ik - p_ij, so that
    the language (paraphrase, section) that is aligned worst is the most likely; "nearest" draws in proportion to p_ij,
    "uniform" all alike. Own keys that are aligned alike are drawn uniformly [ours].

    Shape:
        logits: [rows, keys], similarities times scale; positive: [rows, keys], as of equal groups -> [rows].

    Raises:
        ValueError: Shapes differ, a row has no own key, an own key's logit is no number, or the preference is unknown.
    """
    if logits.ndim != 2 or logits.shape != positive.shape:
        raise ValueError(
            f"logits of shape {list(logits.shape)} with positives of shape {list(positive.shape)}; give one matrix of "
            "each, rows by keys"
        )
    if preference not in ("worst", "uniform", "nearest"):
        raise ValueError(f"the preference is {preference!r}; take 'worst', 'uniform' or 'nearest'")
    if not bool(positive.any(1).all()):
        row = int((~positive.any(1)).nonzero()[0])
        raise ValueError(f"row {row} has no key of its own group; pass its counterpart among the keys")
    if not bool((torch.isfinite(logits) | ~positive).all()):
        raise ValueError("similarities of own keys contain NaN or infinity; look at the embeddings")
    if not len(logits):
        return torch.zeros(0, dtype=torch.int64, device=logits.device)
    # Over the own keys alone: a softmax over all keys differs by one factor a row, and may vanish on all of them.
    share = logits.double().masked_fill(~positive, -torch.inf).softmax(1)
    if preference == "worst":
        share = (share.amax(1, keepdim=True) - share).masked_fill(~positive, 0.0)
    alike = (share.sum(1, keepdim=True) == 0) | (preference == "uniform")
    weight = torch.where(alike, positive.double(), share)
    return torch.multinomial(weight, 1, generator=generator)[:, 0]
