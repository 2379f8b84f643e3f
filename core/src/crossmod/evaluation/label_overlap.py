"""Search inside one modality, scored by the labels that query and answer share (volume to volume in CT-CLIP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.labelled import by_modality, labelled_tasks, require_labels
from crossmod.evaluation.settings import SimilarSettings
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell


def label_overlap(
    query: Float[Tensor, "queries labels"], candidate: Float[Tensor, "candidates labels"]
) -> Float[Tensor, "queries candidates"]:
    """|a and b| / |a or b| of the positive labels (Jaccard), over the labels that both sides know; NaN for 0 / 0.

    Shape:
        query, candidate: 1 present, 0 absent, NaN unknown.

    >>> label_overlap(torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor([[0.5000, 0.0000]], dtype=torch.float64)
    """
    known_a, known_b = (~query.isnan()).double(), (~candidate.isnan()).double()
    held_a, held_b = query.nan_to_num(0.0).double(), candidate.nan_to_num(0.0).double()
    both = held_a @ held_b.T
    return both / (held_a @ known_b.T + known_a @ held_b.T - both)


@dataclass(frozen=True)
class Overlap:
    """Mean overlap of the labels of a query with those of its nearest candidates.

    Args:
        at: By k, the mean over queries of the mean overlap of the k nearest.
        random: The same of a random order, whatever k.
        queries: Queries that were scored.
        all_negative: Queries without a positive label, which share none with anything.
    """

    at: dict[int, float]
    random: float
    queries: int
    all_negative: int


def overlap_at(
    vectors: Float[Tensor, "items dim"],
    labels: Float[Tensor, "items labels"],
    own: Int64[Tensor, "items"],
    *,
    ks: tuple[int, ...],
    all_negative: Literal["skip", "zero"] = "skip",
) -> Overlap:
    """Rank all other items for every item by cosine, and score the first k by the labels they share with it.

    What ties for the last places shares them evenly, so that a constant model scores as a random order. CT-CLIP's
    release reports this mean as MAP@K, with the query among the candidates; here it is not.

    Args:
        vectors: Of unit length.
        labels: See `label_overlap`.
        own: Items of equal numbers are no candidates of each other (the item itself, its study, its patient).
        ks: The k; larger ones than there are candidates take them all.
        all_negative: Whether queries without a positive label are left out, or score 0.

    Raises:
        ValueError: No query is left, or one has no candidate.
    """
    negative = labels.nan_to_num(0.0).sum(1) == 0
    asked = torch.arange(len(labels)) if all_negative == "zero" else (~negative).nonzero().flatten()
    if not len(asked):
        raise ValueError("no item has a positive label; nothing can overlap.")
    allowed = own[asked, None] != own[None]
    if not bool(allowed.any(1).all()):
        raise ValueError("an item has no candidate but what counts as its own; give more items, or exclude fewer.")
    overlap = label_overlap(labels[asked], labels).nan_to_num(0.0)
    score = (vectors[asked] @ vectors.T).masked_fill(~allowed, -torch.inf)
    ordered = score.sort(1, descending=True).values
    at = {}
    for k in ks:
        size = allowed.sum(1).clamp(max=k)
        last = ordered.gather(1, size[:, None] - 1)
        above, level = (score > last) & allowed, (score == last) & allowed
        share = (size - above.sum(1)).double() / level.sum(1)
        weight = above.double() + level.double() * share[:, None]
        at[k] = float(((weight * overlap).sum(1) / size).mean())
    random = float(((overlap * allowed).sum(1) / allowed.sum(1)).mean())
    return Overlap(at, random, len(asked), int(negative.sum()))


def evaluate(context: EvaluationContext, settings: SimilarSettings) -> list[Table]:
    """The `similar` evaluation: overlap of labels of the nearest items, beside a random order.

    Raises:
        UserError: The corpus has no label of two classes, or the split nothing to compare.
    """
    prepared = context.prepared
    rows: list[Row] = []
    for modality, described in by_modality(require_labels(prepared, prompts=False, classes=2)).items():
        found = labelled_tasks(prepared, described, settings.split)
        own = {"item": found.item, "group": prepared.group[found.row], "subject": found.subject}[settings.exclude]
        vectors = context.embedded(modality).of(found.item)
        try:
            scored = overlap_at(vectors, found.values, own, ks=settings.ks, all_negative=settings.all_negative)
        except ValueError as error:
            raise UserError(f"the {settings.split} split of {prepared.corpus.name} cannot be scored: {error}") from None
        sizes: dict[str, Cell] = {"queries": scored.queries, "negative": scored.all_negative}
        rows.append(Row(cells={"modality": modality, **sizes, **{f"at{k}": v for k, v in scored.at.items()}}))
        chance: dict[str, Cell] = {f"at{k}": scored.random for k in scored.at}
        rows.append(Row(cells={"modality": "  chance", **chance}, role="reference"))
    columns = [
        Column(key="modality", title="modality"),
        *[Column(key=f"at{k}", title=f"overlap@{k}", decimals=3) for k in settings.ks],
        Column(key="queries", title="queries", decimals=0),
        Column(key="negative", title="all negative", decimals=0),
    ]
    treated = "left out" if settings.all_negative == "skip" else "scored 0"
    note = (
        "Mean share of the positive labels of query and answer that both have, over the k nearest. Candidates: all "
        f"items of the split but the query's own {settings.exclude}. Queries without a positive label are {treated}."
    )
    title = f"similar items, {settings.split} split of {prepared.corpus.name}"
    return [Table(columns=columns, rows=rows, title=title, note=note)]
