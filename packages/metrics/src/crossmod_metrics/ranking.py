"""Exact retrieval ranks over a full gallery, without a queries x candidates matrix in memory.

The rank of a query is that of its best-placed positive: 1 + the candidates that score strictly higher + a
share of the candidates that tie with it and are not positives themselves. The share is the explicit tie rule:
`mean` takes half of them (the expected rank under a random order of ties), `pessimistic` all, `optimistic`
none. Other positives of the query never push it down. With `mean`, a constant embedding of N candidates ranks
(N + 1) / 2, never 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.similarity import DEFAULT_MEMORY_BYTES, check_pair, plan_blocks, score_rows
from crossmod_metrics.validation import require_equal_lengths, require_rows, require_without_nan

Ties = Literal["mean", "pessimistic", "optimistic"]
_SHARE: dict[str, float] = {"mean": 0.5, "pessimistic": 1.0, "optimistic": 0.0}


@torch.no_grad()
def ranks(
    query: Shaped[Tensor, "queries dim"],
    candidates: Shaped[Tensor, "candidates dim"],
    query_group: Int64[Tensor, " queries"],
    candidate_group: Int64[Tensor, " candidates"],
    *,
    ties: Ties = "mean",
    normalise: bool = False,
    chunk: int | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Float[Tensor, " queries"]:
    """Rank of the best-placed positive of each query among all candidates; 1 is best.

    A candidate is a positive of a query where their group numbers are equal. The score is the dot product, or
    the cosine with `normalise`; it is summed in double and compared in single precision, so scores that agree
    in 24 bits are ties, whatever the chunk. Protocol: full-corpus ranking of Text2Mol (EMNLP 2021), with a
    stated tie rule.

    Shape: query (queries, dim), candidates (candidates, dim), any float type; result (queries,), float64.

    Args:
        ties: the tie rule of this module.
        normalise: give every row unit length first; a zero row stays zero.
        chunk: queries per block; None derives it from `memory_bytes`.
        memory_bytes: working memory beside the inputs; one row of scores is held even where it alone passes
        this.

    Raises:
        ValueError: empty or non-finite input, lengths or widths that differ, a query without a positive.

    >>> text = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> molecules = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.1, 0.8]])
    >>> ranks(text, molecules, torch.tensor([7, 9]), torch.tensor([7, 8, 9])).tolist()
    [2.0, 1.0]
    >>> constant = torch.ones(5, 4)
    >>> ranks(constant, constant, torch.arange(5), torch.arange(5)).tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    share = _tie_share(ties)
    query_side, candidate_side = check_pair(query, candidates, normalise=normalise)
    require_equal_lengths(("query", "query_group"), (query, query_group))
    require_equal_lengths(("candidates", "candidate_group"), (candidates, candidate_group))
    positives = _Positives.find(query_group, candidate_group)
    most = int(positives.count.max())
    # Five int64 vectors of pairs live at one time while the positives of a block are listed.
    blocks = plan_blocks(len(query), len(candidates), query.shape[1], 40 * most, chunk, memory_bytes)
    found = [
        _block_ranks(score_rows(query_side, candidate_side, start, blocks), positives, start, share)
        for start in range(0, len(query), blocks.rows)
    ]
    return torch.cat(found)


@torch.no_grad()
def ranks_from_scores(
    scores: Float[Tensor, "queries candidates"],
    positives: Bool[Tensor, "queries candidates"],
    *,
    ties: Ties = "mean",
) -> Float[Tensor, " queries"]:
    """Rank of the best-placed positive of each row of a score matrix that is already in memory.

    Scores are compared as they are given; -inf marks a candidate that is out of the race.

    Shape: scores and positives (queries, candidates); result (queries,), float64.

    Raises:
        ValueError: empty input, NaN, shapes that differ, a row without a positive.

    >>> ranks_from_scores(torch.tensor([[0.3, 0.9, 0.3]]), torch.tensor([[True, False, False]])).tolist()
    [2.5]
    """
    share = _tie_share(ties)
    require_rows("scores", scores, 2)
    require_without_nan("scores", scores)
    if positives.shape != scores.shape:
        raise ValueError(
            f"positives has shape {tuple(positives.shape)} and scores {tuple(scores.shape)}; make them equal."
        )
    _refuse_without_positive(positives.sum(dim=1))
    best = scores.masked_fill(~positives, -torch.inf).amax(dim=1, keepdim=True)
    better = (scores > best).sum(dim=1)
    tied = ((scores == best) & ~positives).sum(dim=1)
    return 1.0 + better.double() + share * tied.double()


@dataclass(frozen=True)
class _Positives:
    """The positives of every query, as runs in the list of candidates sorted by group."""

    order: Int64[Tensor, " candidates"]
    first: Int64[Tensor, " queries"]
    count: Int64[Tensor, " queries"]

    @classmethod
    def find(cls, query_group: Int64[Tensor, " queries"], candidate_group: Int64[Tensor, " n"]) -> _Positives:
        groups, order = torch.sort(candidate_group, stable=True)
        first = torch.searchsorted(groups, query_group.contiguous())
        count = torch.searchsorted(groups, query_group.contiguous(), right=True) - first
        _refuse_without_positive(count)
        return cls(order, first, count)

    def pairs(self, start: int, stop: int) -> tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"]]:
        """Return (row within the block, candidate) of every positive of queries start .. stop."""
        count = self.count[start:stop]
        rows = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
        offset = self.first[start:stop] - (torch.cumsum(count, 0) - count)
        place = torch.arange(len(rows), device=count.device) + offset[rows]
        return rows, self.order[place]


def _block_ranks(
    scores: Float[Tensor, "rows candidates"], positives: _Positives, start: int, share: float
) -> Float[Tensor, " rows"]:
    rows, columns = positives.pairs(start, start + len(scores))
    positive_scores = scores[rows, columns]
    best = scores.new_full((len(scores),), -torch.inf).scatter_reduce(0, rows, positive_scores, "amax")
    # No positive scores above the best one, so only the ties have to be cleared of positives.
    better = (scores > best[:, None]).sum(dim=1)
    tied = (scores == best[:, None]).sum(dim=1)
    own = torch.zeros_like(tied).index_add_(0, rows, (positive_scores == best[rows]).to(tied.dtype))
    return 1.0 + better.double() + share * (tied - own).double()


def _tie_share(ties: str) -> float:
    if ties not in _SHARE:
        raise ValueError(f"ties is {ties!r}; choose one of {', '.join(_SHARE)}.")
    return _SHARE[ties]


def _refuse_without_positive(count: Int64[Tensor, " queries"]) -> None:
    missing = int((count == 0).sum())
    if missing:
        example = int((count == 0).nonzero()[0])
        raise ValueError(
            f"{missing} of {len(count)} queries have no positive among the candidates (first: query {example}); "
            "add their candidates to the gallery or leave these queries out."
        )
