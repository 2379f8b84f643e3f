"""Search inside one modality: mean average precision and R-precision without the query finding itself.

Cross the Gap (arXiv:2502.04263) asks whether an embedding space can be trusted for a-to-a search, by the four
combinations of a native or an inverted query with a native or an inverted gallery. The query's own item is left out of
the gallery by the identity of the item it was made from, whatever it was evaluated as: an inverted query is excluded
like its native form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.ranking import Ties
from crossmod_metrics.similarity import DEFAULT_MEMORY_BYTES, check_pair, plan_blocks, score_rows
from crossmod_metrics.validation import require_equal_lengths

_SHARE: dict[str, float] = {"mean": 0.5, "pessimistic": 1.0, "optimistic": 0.0}


@dataclass(frozen=True)
class IntraModalScore:
    """Search with several right answers a query, averaged over the queries that have one.

    Attributes:
        mean_average_precision: mean over queries of (1 / R) sum over positives i of i / place_i.
        mean_average_precision_at_k: the same over positives placed within k, divided by min(R, k).
        r_precision: mean share of the R positives that are placed within R.
        k: the cut of `mean_average_precision_at_k`.
        queries: queries that have a positive beside themselves.
        queries_skipped: queries that have none, which no score can be given.
    """

    mean_average_precision: float
    mean_average_precision_at_k: float
    r_precision: float
    k: int
    queries: int
    queries_skipped: int


@torch.no_grad()
def intra_modal_retrieval(
    query: Shaped[Tensor, "queries dim"],
    gallery: Shaped[Tensor, "items dim"],
    query_group: Int64[Tensor, " queries"],
    gallery_group: Int64[Tensor, " items"],
    *,
    query_item: Int64[Tensor, " queries"] | None = None,
    gallery_item: Int64[Tensor, " items"] | None = None,
    k: int = 10,
    ties: Ties = "mean",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> IntraModalScore:
    """mAP, mAP@k and R-precision by cosine; the gallery entry of the query's own item is out of the race.

    The i-th best positive has place i + the negatives that score strictly higher + a share of those that tie with it
    (half, all or none: the tie rule of `ranks`). A zero embedding ties with everything at cosine 0.

    Shape: query (queries, dim), gallery (items, dim), groups and items one number a row.

    Args:
        query_group: equal numbers are right answers of each other (class, landmark, topic).
        query_item: which base item a query was made from; None, with `gallery_item`, excludes nothing, as where the
        queries are no part of the gallery.
        memory_bytes: working memory beside the inputs.

    Raises:
        ValueError: empty or non-finite input, lengths or widths that differ, only one of the two items given, k below
            1, an unknown tie rule, or no query with a positive beside itself.

    >>> points = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.6, 0.5]])
    >>> group, item = torch.tensor([0, 0, 1, 1]), torch.arange(4)
    >>> intra_modal_retrieval(points, points, group, group, query_item=item, gallery_item=item).r_precision
    0.75
    """
    if ties not in _SHARE:
        raise ValueError(f"ties is {ties!r}; take one of {', '.join(_SHARE)}.")
    if k < 1:
        raise ValueError(f"k is {k}; give the cut of mAP@k as a number from 1.")
    if (query_item is None) != (gallery_item is None):
        raise ValueError("one of query_item and gallery_item is missing; give both, or neither to exclude nothing.")
    query_side, gallery_side = check_pair(query, gallery, normalise=True)
    require_equal_lengths(("query", "query_group"), (query, query_group))
    require_equal_lengths(("gallery", "gallery_group"), (gallery, gallery_group))
    if query_item is not None and gallery_item is not None:
        require_equal_lengths(("query", "query_item"), (query, query_item))
        require_equal_lengths(("gallery", "gallery_item"), (gallery, gallery_item))
    blocks = plan_blocks(len(query), len(gallery), query.shape[1], 128 * len(gallery), None, memory_bytes)
    parts = []
    for start in range(0, len(query), blocks.rows):
        rows = slice(start, start + blocks.rows)
        scores = score_rows(query_side, gallery_side, start, blocks)
        positive = query_group[rows, None] == gallery_group[None]
        if query_item is not None and gallery_item is not None:
            own = query_item[rows, None] == gallery_item[None]
            scores, positive = scores.masked_fill(own, -torch.inf), positive & ~own
        parts.append(_precision(scores, positive, _SHARE[ties], k))
    found, count = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    answered = count > 0
    if not bool(answered.any()):
        raise ValueError("no query has a positive beside itself; give groups that several items share.")
    mean = found[answered].mean(dim=0).tolist()
    skipped = int((~answered).sum())
    return IntraModalScore(mean[0], mean[1], mean[2], k, len(query) - skipped, skipped)


def _precision(
    scores: Float[Tensor, "rows items"], positive: Bool[Tensor, "rows items"], share: float, k: int
) -> tuple[Float[Tensor, "rows 3"], Int64[Tensor, " rows"]]:
    """AP, AP@k and R-precision of each row, and its number of positives; items at -inf are out of the race."""
    ordered, order = scores.sort(dim=1, descending=True)
    right = positive.gather(1, order)
    wrong = ~right & (ordered > -torch.inf)
    first, last = _tie_runs(ordered)
    passed = torch.cumsum(wrong, 1)
    through = passed.gather(1, last)
    above = torch.where(first > 0, passed.gather(1, (first - 1).clamp_min(0)), 0)
    number = torch.cumsum(right, 1)
    place = number + above + share * (through - above).double()
    gain = torch.where(right, number / place, 0.0)
    count = right.sum(dim=1)
    size = count.clamp_min(1).double()
    average = gain.sum(dim=1) / size
    at_k = (gain * (place <= k)).sum(dim=1) / size.clamp_max(k)
    r_precision = (right & (place <= count[:, None])).sum(dim=1) / size
    return torch.stack((average, at_k, r_precision), dim=1), count


def _tie_runs(
    ordered: Float[Tensor, "rows items"],
) -> tuple[Int64[Tensor, "rows items"], Int64[Tensor, "rows items"]]:
    """The first and the last position of the run of equal scores that each position lies in."""
    items = ordered.shape[1]
    place = torch.arange(items, device=ordered.device).expand_as(ordered)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = torch.cummax(torch.where(new, place, 0), dim=1).values
    ends = torch.ones_like(new)
    ends[:, :-1] = new[:, 1:]
    last = torch.cummin(torch.where(ends, place, items - 1).flip(1), dim=1).values.flip(1)
    return first, last
