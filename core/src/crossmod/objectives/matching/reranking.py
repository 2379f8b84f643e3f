"""Retrieval in two stages: nearest by embedding, then ordered by a joint score (ALBEF, arXiv:2107.07651)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Match = Callable[[Int64[Tensor, "pairs"], Int64[Tensor, "pairs"]], Float[Tensor, "pairs"]]


@torch.no_grad()
def rerank(
    similarity: Float[Tensor, "queries keys"], match: Match, *, candidates: int = 128, pairs_at_once: int = 1024
) -> Float[Tensor, "queries keys"]:
    """Scores whose order is that of `match` among each query's nearest keys, and of the similarity behind them.

    The nearest keys score P(match), in [0, 1]; all others score below -1, in their former order. Where keys tie at the
    last place among the nearest, the first ones enter.

    Args:
        similarity: Of embeddings, a row a query.
        match: Joint scores in [0, 1] of pairs, given as numbers of queries and of keys.
        candidates: Keys a query that are scored jointly (256 on COCO, 128 on Flickr30k in ALBEF).
        pairs_at_once: Pairs of one call of `match`.

    Raises:
        ValueError: A number is below one, a similarity is not finite, or `match` leaves [0, 1].
    """
    if candidates < 1 or pairs_at_once < 1:
        raise ValueError(f"{candidates} candidates, {pairs_at_once} at once, rank nothing; give at least one of each.")
    if not bool(torch.isfinite(similarity).all()):
        raise ValueError("similarities contain NaN or infinity, so nothing is nearest; look at the embeddings.")
    queries, keys = similarity.shape
    if not queries or not keys:
        return similarity.clone()
    nearest = similarity.argsort(dim=1, descending=True, stable=True)[:, : min(candidates, keys)]
    query = torch.arange(queries, device=similarity.device)[:, None].expand_as(nearest).flatten()
    key = nearest.flatten()
    starts = range(0, len(key), pairs_at_once)
    joint = torch.cat([match(query[at : at + pairs_at_once], key[at : at + pairs_at_once]).float() for at in starts])
    if joint.shape != key.shape or not bool(((joint >= 0) & (joint <= 1)).all()):
        raise ValueError("joint scores have to be one probability a pair; take PairMatchingLoss.probability.")
    # A difference of places, not of values: subtracting a large number would round near similarities together.
    place = similarity.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    scores = -1.0 - place.float()
    scores[query, key] = joint
    return scores
