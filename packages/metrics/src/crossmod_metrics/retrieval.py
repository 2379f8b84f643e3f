"""Retrieval metrics from ranks, what a random order would score, and how ranks agree across languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_finite, require_rows


@dataclass(frozen=True)
class RetrievalMetrics:
    """Summary of one direction of retrieval; print it with `candidates`, on which every number depends.

    A query is a hit at k where its best positive ranks at most k, so a rank of 1.5 (a tie for the first place
    under the mean rule) is no hit at 1.

    Attributes:
        recall: share of queries that are a hit, by k (Text2Mol calls this Hits@k).
        hits: number of queries that are a hit, by k; an expected number where the metrics are those of
        chance.
        mean_rank: mean of the ranks, 1 is best.
        median_rank: median of the ranks, the mean of the middle two where their number is even.
        mean_reciprocal_rank: mean of 1 / rank.
        candidates: size of the gallery.
        queries: number of queries.
    """

    recall: Mapping[int, float]
    hits: Mapping[int, float]
    mean_rank: float
    median_rank: float
    mean_reciprocal_rank: float
    candidates: int
    queries: int

    def as_dict(self) -> dict[str, float]:
        """Return flat names and numbers for a log."""
        flat = {f"recall@{k}": value for k, value in self.recall.items()}
        flat |= {"mean_rank": self.mean_rank, "median_rank": self.median_rank}
        return flat | {
            "mean_reciprocal_rank": self.mean_reciprocal_rank,
            "candidates": float(self.candidates),
            "queries": float(self.queries),
        }


@dataclass(frozen=True)
class RankConsistency:
    """Agreement of the ranks of one instance across languages; both grow with the gallery, so print its size.

    Attributes:
        mean_rank_variance: mean over instances of the population variance over languages.
        mean_rank_std: the same of the population standard deviation.
        candidates: size of the gallery.
        instances: number of instances.
    """

    mean_rank_variance: float
    mean_rank_std: float
    candidates: int
    instances: int


def retrieval_metrics(
    ranks: Shaped[Tensor, " queries"], candidates: int, ks: Sequence[int] = (1, 5, 10)
) -> RetrievalMetrics:
    """Recall@k, mean rank, median rank and MRR of the ranks of one direction.

    Shape: ranks (queries,), from 1 to `candidates`.

    Raises: ValueError for no rank, a rank outside 1 to `candidates`, or a k below 1.

    >>> found = retrieval_metrics(torch.tensor([1.0, 2.0, 4.0, 1.0]), candidates=10, ks=(1, 2))
    >>> found.recall, found.mean_rank, found.median_rank, found.mean_reciprocal_rank
    ({1: 0.5, 2: 0.75}, 2.0, 1.5, 0.6875)
    """
    require_rows("ranks", ranks, 1)
    _require_ks(ks)
    require_finite("ranks", ranks)
    places = ranks.double()
    low, high = float(places.min()), float(places.max())
    if low < 1 or high > candidates:
        raise ValueError(f"ranks span {low} to {high}; they must lie in 1 to {candidates} candidates.")
    hits = {k: float((places <= k).sum()) for k in ks}
    return RetrievalMetrics(
        recall={k: count / len(places) for k, count in hits.items()},
        hits=hits,
        mean_rank=float(places.mean()),
        median_rank=float(_median(places)),
        mean_reciprocal_rank=float((1.0 / places).mean()),
        candidates=candidates,
        queries=len(places),
    )


def chance(
    candidates: int, positives: int | Int64[Tensor, " queries"] = 1, ks: Sequence[int] = (1, 5, 10)
) -> RetrievalMetrics:
    """Exact expected metrics of a uniformly random order of the candidates.

    The rank R of the best of p positives among N has P(R > k) = C(N - k, p) / C(N, p) and mean (N + 1) / (p +
    1). The median is that of the mixture over queries, the mean of the lower and the upper median where they
    differ.

    Args:
        candidates: size of the gallery.
        positives: positives of a query, one number for a single query or one a query.
        ks: the cuts of recall.

    Raises: ValueError where a query has fewer than one or more than `candidates` positives, or a k is below
    1.

    >>> random = chance(candidates=100, positives=1, ks=(1, 10))
    >>> round(random.recall[10], 12), random.mean_rank, random.median_rank
    (0.1, 50.5, 50.5)
    """
    _require_ks(ks)
    counts = torch.as_tensor(positives, dtype=torch.int64).reshape(-1)
    require_rows("positives", counts, 1)
    if int(counts.min()) < 1 or int(counts.max()) > candidates:
        raise ValueError(
            f"positives span {int(counts.min())} to {int(counts.max())}; they must lie in 1 to {candidates}."
        )
    kinds, of_kind = torch.unique(counts.cpu(), return_counts=True)
    share = of_kind.double() / len(counts)
    place = torch.arange(1, candidates + 1, dtype=torch.float64)
    chances = torch.zeros(candidates, dtype=torch.float64)
    for number, weight in zip(kinds.tolist(), share.tolist(), strict=True):
        chances += weight * best_rank_distribution(candidates, number)
    reached = torch.cumsum(chances, 0)
    recall = {k: 1.0 if k >= candidates else float(reached[k - 1]) for k in ks}
    return RetrievalMetrics(
        recall=recall,
        hits={k: value * len(counts) for k, value in recall.items()},
        mean_rank=float((share * (candidates + 1) / (kinds.double() + 1)).sum()),
        median_rank=_distribution_median(reached),
        mean_reciprocal_rank=float((chances / place).sum()),
        candidates=candidates,
        queries=len(counts),
    )


def best_rank_distribution(candidates: int, positives: int) -> Float[Tensor, " candidates"]:
    """P(R = r), r = 1 .. N, of the best rank of p positives in a random order of N candidates.

    P(R = r) = P(R > r - 1) p / (N - r + 1), a product of ratios without a cancellation.

    Shape: (candidates,), float64.
    """
    before = torch.arange(candidates, dtype=torch.float64)
    left = candidates - before
    # The first negative place has N - p choices of N; past N - p + 1 places a positive has surely come.
    ratio = ((left - positives) / left).clamp_min(0.0)
    survival = torch.cat((torch.ones(1, dtype=torch.float64), torch.cumprod(ratio, 0)[:-1]))
    return survival * (positives / left).clamp_max(1.0)


def mean_rank_variance(ranks: Shaped[Tensor, "instances languages"], candidates: int) -> RankConsistency:
    """MRV = mean_i mean_k (r_ik - mean_k r_ik)^2: does an instance get the same rank in every language?

    r_ik is the rank in the gallery of language k alone; with several captions a language, the best-ranked of them,
    which is what `ranks` gives. 0 is perfectly consistent. Defined with 1-to-K contrastive learning (CCR^k); the
    released script of that work reports the mean standard deviation, so both are returned. The formula on the page
    of the paper is not verified.

    Shape: ranks (instances, languages); a constant added to the ranks of an instance changes nothing.

    Raises: ValueError for an empty or non-finite matrix, or fewer than two languages.

    >>> mean_rank_variance(torch.tensor([[1, 1, 1], [1, 4, 1]]), candidates=10).mean_rank_variance
    1.0
    """
    require_rows("ranks", ranks, 2)
    places = ranks.double()
    require_finite("ranks", places)
    if places.shape[1] < 2:
        raise ValueError("ranks has one language; consistency needs the ranks in two or more.")
    variance = places.var(dim=1, correction=0)
    return RankConsistency(float(variance.mean()), float(variance.sqrt().mean()), candidates, instances=len(places))


def _require_ks(ks: Sequence[int]) -> None:
    if not ks or min(ks) < 1:
        raise ValueError(f"ks is {tuple(ks)}; give the cuts of recall as numbers from 1.")


def _median(places: Float[Tensor, " queries"]) -> float:
    ordered = places.sort().values
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def _distribution_median(reached: Float[Tensor, " candidates"]) -> float:
    # A cumulative sum of a million terms is off by about 1e-13: closer than this to one half counts as one half.
    slack = 1e-12
    lower = int((reached < 0.5 - slack).sum()) + 1
    upper = int((reached <= 0.5 + slack).sum()) + 1
    return (lower + upper) / 2
