"""Retrieval between every two modalities, both ways, beside chance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.settings import RetrievalSettings
from crossmod.training.prepare import Prepared
from crossmod_metrics import RetrievalMetrics, chance, ranks, retrieval_metrics
from crossmod_report import Column, Row, Table

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Gallery:
    """The distinct items of one modality among some rows.

    Shape:
        item: [items], positions among the modality's inputs.
        group: [items], the group of each.
    """

    item: Int64[Tensor, "items"]
    group: Int64[Tensor, "items"]


@dataclass(frozen=True)
class Direction:
    """One direction of retrieval, scored.

    Args:
        query: The modality that asks.
        candidate: The modality that is ranked.
        metrics: What the model scores.
        random: What a random order scores.
        ranks: [queries] the rank of each query's best positive.
    """

    query: str
    candidate: str
    metrics: RetrievalMetrics
    random: RetrievalMetrics
    ranks: Float[Tensor, "queries"]

    def scores(self) -> dict[str, float]:
        """What the model scores, by name; the sizes of the question are left to the table."""
        named = self.metrics.as_dict()
        return {key: value for key, value in named.items() if key not in ("queries", "candidates")}

    @property
    def name(self) -> str:
        """`query -> candidate`, as tables show it."""
        return f"{self.query} → {self.candidate}"


def gallery(prepared: Prepared, modality: str, rows: Int64[Tensor, "rows"]) -> Gallery:
    """The distinct items that the rows hold, each with its group, in the order of the items."""
    item = prepared.item[modality][rows]
    item, group = item[item >= 0], prepared.group[rows][item >= 0]
    order = torch.argsort(item, stable=True)
    item, group = item[order], group[order]
    first = torch.ones(len(item), dtype=torch.bool)
    first[1:] = item[1:] != item[:-1]
    return Gallery(item[first], group[first])


def retrieve(
    context: EvaluationContext,
    *,
    split: str,
    candidates: str = "split",
    ties: Literal["mean", "pessimistic", "optimistic"] = "mean",
    recalls: tuple[int, ...] = RECALLS,
    positives: Literal["group", "row"] = "group",
    query: str = "",
) -> list[Direction]:
    """Rank the items of every modality for the items of every other.

    Queries are the distinct items of the split's rows whose rows also hold the other modality; positives are all
    candidates of the query's group.

    Args:
        context: Model and corpus.
        split: Whose rows ask.
        candidates: "split" or "all".
        ties: See `crossmod_metrics.ranks`.
        recalls: The k of recall at k.
        positives: "group", or "row" for the row's own item alone.
        query: The only modality that asks; empty lets every one ask.

    Returns:
        One entry a direction; empty when the split has no pair.
    """
    prepared, modalities = context.prepared, context.model.modalities
    pool = prepared.rows(split) if candidates == "split" else torch.arange(len(prepared.corpus))
    directions = []
    for asker, candidate in permutations(modalities, 2):
        if query and asker != query:
            continue
        rows = prepared.rows(split, asker, candidate)
        if not len(rows):
            continue
        asking, ranked = gallery(prepared, asker, rows), gallery(prepared, candidate, pool)
        if positives == "row":
            asking = Gallery(prepared.item[asker][rows], prepared.item[candidate][rows])
            ranked = Gallery(ranked.item, ranked.item)
        found = ranks(
            context.embedded(asker).of(asking.item),
            context.embedded(candidate).of(ranked.item),
            asking.group,
            ranked.group,
            ties=ties,
        )
        size = len(ranked.item)
        ks = tuple(k for k in recalls if k <= size) or (1,)
        random = chance(size, _positives(asking.group, ranked.group), ks)
        directions.append(Direction(asker, candidate, retrieval_metrics(found, size, ks), random, found))
    return directions


def _positives(query: Tensor, candidate: Tensor) -> Tensor:
    """How many candidates share each query's group."""
    groups, counts = np.unique(candidate.numpy(), return_counts=True)
    return torch.from_numpy(counts[np.searchsorted(groups, query.numpy())].astype(np.int64))


def retrieval_table(directions: list[Direction], title: str, note: str = "") -> Table:
    """The result of every direction above what a random order scores."""
    # A direction with few candidates has no recall at many.
    ks = sorted({k for direction in directions for k in direction.metrics.recall}) if directions else list(RECALLS)
    columns = [
        Column(key="direction", title="direction"),
        *[Column(key=f"recall@{k}", title=f"R@{k} %", decimals=1) for k in ks],
        Column(key="median_rank", title="median rank", decimals=1),
        Column(key="mean_rank", title="mean rank", decimals=1),
        Column(key="mrr", title="MRR", decimals=3),
        Column(key="queries", title="queries", decimals=0),
        Column(key="candidates", title="candidates", decimals=0),
    ]
    rows = []
    for direction in directions:
        rows.append(Row(cells={"direction": direction.name, **_cells(direction.metrics)}))
        rows.append(Row(cells={"direction": "  chance", **_cells(direction.random)}, role="reference"))
    return Table(columns=columns, rows=rows, title=title, note=note)


def _cells(metrics: RetrievalMetrics) -> dict[str, float | int]:
    return {
        **{f"recall@{k}": 100 * value for k, value in metrics.recall.items()},
        "median_rank": metrics.median_rank,
        "mean_rank": metrics.mean_rank,
        "mrr": metrics.mean_reciprocal_rank,
        "queries": metrics.queries,
        "candidates": metrics.candidates,
    }


def evaluate(context: EvaluationContext, settings: RetrievalSettings) -> list[Table]:
    """The `retrieval` evaluation of every domain."""
    directions = retrieve(
        context,
        split=settings.split,
        candidates=settings.candidates,
        ties=settings.ties,
        recalls=settings.recalls,
        positives=settings.positives,
        query=settings.query,
    )
    pool = f"the items of {settings.split}" if settings.candidates == "split" else "all items of the corpus"
    title = f"retrieval, {settings.split} split of {context.prepared.corpus.name}"
    right = "every item of the query's group" if settings.positives == "group" else "the row's own item alone"
    note = f"Candidates: {pool}. Right: {right}. Ties take the {settings.ties} rank."
    return [retrieval_table(directions, title, note)]
