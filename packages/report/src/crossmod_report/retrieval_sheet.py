"""Retrieval sheets: what a model finds for some queries, beside what it should have found."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import final

from crossmod_report.exhibit import Exhibit, html_exhibit
from crossmod_report.markup import Markup, element, joined


@final
@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """One item of the answer, with its score and whether it is a right answer."""

    item: Exhibit
    score: float
    correct: bool


@final
@dataclass(frozen=True, kw_only=True)
class Answer:
    """One query: the true item that ranks best, its rank from 1, and the nearest items, best first."""

    query: Exhibit
    truth: Exhibit
    truth_rank: int
    nearest: Sequence[Retrieved]


@final
@dataclass(frozen=True, kw_only=True)
class RetrievalSheet:
    """Answers over one gallery."""

    title: str
    answers: Sequence[Answer]
    gallery_size: int
    note: str = ""


def retrieval_sheet(
    queries: Sequence[Exhibit],
    gallery: Sequence[Exhibit],
    similarity: Iterable[Iterable[float]],
    truth: Sequence[Collection[int]],
    *,
    title: str,
    nearest: int = 5,
    note: str = "",
) -> RetrievalSheet:
    """Rank a gallery for each query by similarity and keep the nearest items.

    The rank is that of the best true item among the false ones: 1 + the number of false items that score at least
    as high. Equal scores and NaN count against the model, so one that gives every item the same score looks as bad
    as it is.

    Shape:
        similarity: (queries, gallery)
        truth: for each query the indices of all its true items, at least one

    Raises:
        ValueError: the sizes disagree, a query has no true item or one that is not in the gallery.
    """
    rows = [[float(score) for score in row] for row in similarity]
    if not len(queries) == len(rows) == len(truth):
        raise ValueError(
            f"{len(queries)} queries, {len(rows)} rows of similarity and {len(truth)} truths: give one of each a query"
        )
    answers = []
    for number, (query, row, right) in enumerate(zip(queries, rows, truth, strict=True)):
        if len(row) != len(gallery):
            raise ValueError(f"query {number} has {len(row)} scores for a gallery of {len(gallery)} items")
        if not right or not all(0 <= index < len(gallery) for index in right):
            raise ValueError(
                f"query {number} has the true items {sorted(right)}: give at least one index below {len(gallery)}"
            )
        answers.append(_answer(query, gallery, row, frozenset(int(index) for index in right), nearest))
    return RetrievalSheet(title=title, answers=tuple(answers), gallery_size=len(gallery), note=note)


def _answer(
    query: Exhibit, gallery: Sequence[Exhibit], row: Sequence[float], right: frozenset[int], nearest: int
) -> Answer:
    # NaN below everything; among equal scores false before true, then by place.
    keys = [(-math.inf if math.isnan(score) else score) for score in row]
    order = sorted(range(len(row)), key=lambda index: (-keys[index], index in right, index))
    best = next(index for index in order if index in right)
    rank = 1 + sum(index not in right and keys[index] >= keys[best] for index in range(len(row)))
    found = tuple(Retrieved(item=gallery[index], score=row[index], correct=index in right) for index in order[:nearest])
    return Answer(query=query, truth=gallery[best], truth_rank=rank, nearest=found)


def html_retrieval_sheet(sheet: RetrievalSheet) -> Markup:
    """Write a sheet: a block a query, with its true item, the rank of that, and the nearest items in order."""
    parts = [element("h3", None, sheet.title)] if sheet.title else []
    first = sum(answer.truth_rank == 1 for answer in sheet.answers)
    count = len(sheet.answers)
    summary = f"{first} of these {count} queries find the true item first, among {sheet.gallery_size} items."
    parts.append(element("p", {"class": "note"}, f"{summary} {sheet.note}".rstrip() if count else "no queries yet"))
    parts.extend(_html_answer(answer, sheet.gallery_size) for answer in sheet.answers)
    return element("div", {"class": "sheet"}, joined(parts))


def _html_answer(answer: Answer, gallery_size: int) -> Markup:
    shown = any(found.correct for found in answer.nearest)
    rank = element(
        "p",
        {"class": "rank hit" if answer.truth_rank == 1 else "rank"},
        f"rank of the truth: {answer.truth_rank} of {gallery_size}" + ("" if shown else ", not shown here"),
    )
    asked = element(
        "div",
        {"class": "asked"},
        element("p", {"class": "role"}, "query"),
        html_exhibit(answer.query),
        element("p", {"class": "role"}, "true item"),
        html_exhibit(answer.truth),
        rank,
    )
    found = element("ol", {"class": "nearest"}, *(_html_retrieved(item) for item in answer.nearest))
    return element("div", {"class": "answer"}, asked, found)


def _html_retrieved(found: Retrieved) -> Markup:
    mark = element("span", {"class": "mark"}, "✓ correct") if found.correct else Markup()
    score = element("span", {"class": "score"}, f"{found.score:.3f}")
    head = element("div", {"class": "found-head"}, score, mark)
    return element("li", {"class": "correct" if found.correct else None}, head, html_exhibit(found.item))
