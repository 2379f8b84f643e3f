"""A retrieval sheet for the run report: some queries, what the model finds, what it should have found."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from crossmod.domain import Domain
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import gallery
from crossmod_report import Exhibit, RetrievalSheet, retrieval_sheet


def sheet(
    domain: Domain,
    context: EvaluationContext,
    query: str,
    candidate: str,
    *,
    split: str,
    queries: int = 8,
    largest_gallery: int = 2000,
) -> RetrievalSheet | None:
    """Answers to evenly spaced queries of a split; None when the split has no pair.

    Args:
        domain: Knows how its items are drawn.
        context: Model and corpus.
        query: The modality that asks.
        candidate: The modality that is ranked.
        split: Whose rows ask and are ranked.
        queries: How many are shown.
        largest_gallery: Candidates beyond so many are left out of the sheet (never of a metric).
    """
    prepared = context.prepared
    rows = prepared.rows(split, query, candidate)
    if not len(rows):
        return None
    ranked = gallery(prepared, candidate, rows)
    asking = gallery(prepared, query, rows)
    ranked = type(ranked)(ranked.item[:largest_gallery], ranked.group[:largest_gallery])
    answered = torch.isin(asking.group, ranked.group).nonzero().flatten()
    places = torch.linspace(0, len(answered) - 1, min(queries, len(answered))).long()
    chosen = answered[torch.unique(places)]
    similarity = context.embedded(query).of(asking.item[chosen]) @ context.embedded(candidate).of(ranked.item).T
    truth = [(ranked.group == group).nonzero().flatten().tolist() for group in asking.group[chosen].tolist()]
    shown = {int(i) for i in similarity.topk(min(5, len(ranked.item))).indices.flatten()}
    shown |= {index for right in truth for index in right}
    items = prepared.corpus.columns[candidate].items
    exhibits = [
        _exhibit(domain, candidate, items[item]) if place in shown else Exhibit(caption="")
        for place, item in enumerate(ranked.item.tolist())
    ]
    asked = prepared.corpus.columns[query].items
    return retrieval_sheet(
        [_exhibit(domain, query, asked[item]) for item in asking.item[chosen].tolist()],
        exhibits,
        similarity.tolist(),
        truth,
        title=f"{query} → {candidate}, {split} split",
    )


def _exhibit(domain: Domain, modality: str, item: Any) -> Exhibit:
    target = domain.drawings.get(modality)
    if target is None:
        return Exhibit(caption=str(item)[:400])
    module, _, name = target.partition(":")
    drawn = getattr(import_module(module), name)(item)
    if isinstance(drawn, bytes):
        return Exhibit(caption=str(item)[:120], png=drawn)
    return Exhibit(caption=str(item)[:120], svg=drawn)
