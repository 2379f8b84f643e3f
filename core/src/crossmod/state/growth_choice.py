"""Which way to grow, if any: the last step of a search, whose training and scoring belong to a recipe (GrowCLIP)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GrowthCandidate:
    """A larger model, scored.

    Args:
        name: What grows, such as "text blocks +2".
        score: On held-out pairs of the newest data; larger is better.
        added_parameters: Numbers that it has more than the present model.
    """

    name: str
    score: float
    added_parameters: int


@dataclass(frozen=True)
class GrowthChoice:
    """What was chosen and why, for the log of decisions.

    Args:
        chosen: The candidate to grow into; None keeps the present model.
        over_budget: Names of candidates that the budget rules out.
        within_noise: Names of candidates that do not beat the present score by more than the noise.
    """

    chosen: GrowthCandidate | None
    over_budget: tuple[str, ...]
    within_noise: tuple[str, ...]


def choose_growth(
    candidates: Sequence[GrowthCandidate], present_score: float, *, noise: float, budget: int
) -> GrowthChoice:
    """[C] The largest (score - present score) / added parameters, among those in the budget and beyond the noise.

    Ties go to the smaller candidate, then to the earlier one. The paper (arXiv:2308.11331) chooses by search too; its
    exact rule is not verified.

    Args:
        candidates: The scored growths.
        present_score: Of the present model on the same pairs.
        noise: By how much a score may differ by chance; a gain of exactly that much is none.
        budget: Most parameters that may be added.

    Raises:
        ValueError: A score is not finite, noise or budget is negative, or a candidate adds no parameter.
    """
    if not math.isfinite(present_score) or not noise >= 0 or budget < 0:
        raise ValueError(
            f"a present score of {present_score} with noise {noise} and a budget of {budget} decides nothing; the "
            "score is finite, the others are at least 0."
        )
    for candidate in candidates:
        if not math.isfinite(candidate.score) or candidate.added_parameters < 1:
            raise ValueError(
                f"candidate {candidate.name!r} has score {candidate.score} and {candidate.added_parameters} more "
                "parameters; scores are finite, and growth adds at least one."
            )
    affordable = [candidate for candidate in candidates if candidate.added_parameters <= budget]
    better = [candidate for candidate in affordable if candidate.score - present_score > noise]
    best = min(
        better,
        key=lambda one: (-(one.score - present_score) / one.added_parameters, one.added_parameters),
        default=None,
    )
    return GrowthChoice(
        best,
        tuple(candidate.name for candidate in candidates if candidate not in affordable),
        tuple(candidate.name for candidate in affordable if candidate not in better),
    )
