"""Accuracy of answers by kind of question; a kind without a question has none, and is not counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor
from torch.nn.functional import normalize

from crossmod_medical.pairs.inputs import CLOSED, OPEN
from crossmod_metrics import bootstrap_mean


class Accuracy(NamedTuple):
    """Accuracy of some questions, and its 95 % interval; None for all three where there is no question."""

    questions: int
    value: float | None
    lower: float | None
    upper: float | None


def accuracies(
    right: Bool[Tensor, "questions"],
    kind: Int8[Tensor, "questions"],
    image: Int64[Tensor, "questions"],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Mapping[str, Accuracy]:
    """Accuracy of open, of closed and of all questions, with intervals that resample images.

    Overall is the mean of open and closed weighted by their numbers wherever every kind is known.

    Shape:
        right: [questions]; whether the answer given is the answer.
        kind: [questions]; 1 closed, 0 open, -1 unknown.
        image: [questions]; questions about one image are not independent.
    """
    parts = {"open": kind == OPEN, "closed": kind == CLOSED, "overall": torch.ones_like(right)}
    found = {}
    for name, chosen in parts.items():
        count = int(chosen.sum())
        if not count:
            found[name] = Accuracy(0, None, None, None)
            continue
        interval = bootstrap_mean(right[chosen].double(), image[chosen], seed=seed, resamples=resamples)
        found[name] = Accuracy(count, float(right[chosen].double().mean()), interval.low, interval.high)
    return found


def commonest_answers(
    answer: Int64[Tensor, "train"], kind: Int8[Tensor, "train"], asked: Int8[Tensor, "questions"]
) -> Int64[Tensor, "questions"]:
    """For every question, the commonest training answer to questions of its kind; of all where the kind has none."""
    overall = answer.mode().values
    given = overall.expand(len(asked)).clone()
    for value in torch.unique(asked):
        same = answer[kind == value]
        if len(same):
            given[asked == value] = same.mode().values
    return given


def nearest_questions(
    train: Float[Tensor, "train words"],
    answer: Int64[Tensor, "train"],
    asked: Float[Tensor, "questions words"],
    neighbours: int,
    may_vote: Bool[Tensor, "questions train"] | None = None,
) -> Int64[Tensor, "questions"]:
    """The answer that most of the nearest training questions have, by cosine and weighted by it; no pixel is used.

    Shape:
        train, asked: weighted counts of words.
        answer: [train]; non-negative.
        may_vote: [questions, train]; which training questions are looked at, such as those about the same image. All
            are where it is None, and for a question that has none.
    """
    cosine = normalize(asked, dim=1) @ normalize(train, dim=1).T
    # A small vote for the nearest decides ties, and answers questions that share no word with any.
    weight = cosine + 1e-6
    if may_vote is not None:
        weight = weight.masked_fill(~may_vote & may_vote.any(1, keepdim=True), 0.0)
    near, place = weight.topk(min(neighbours, len(train)), dim=1)
    votes = asked.new_zeros(len(asked), int(answer.max()) + 1)
    votes.scatter_add_(1, answer[place], near)
    return votes.argmax(1)
