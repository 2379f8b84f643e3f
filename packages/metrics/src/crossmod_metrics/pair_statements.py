"""Scores of paired tasks: a statement about two items, and two items each with its own of two captions.

The first is the protocol of NLVR2 as the study of bridge architectures uses it: accuracy over pairs, and consistency
over statements, where a statement counts only if all its pairs are right. The second is Winoground
(arXiv:2204.03162). For intervals and the paired comparison of two models pass `PairScore.right`, or the difference of
two of them, to `bootstrap_mean` with the statement as the group: pairs of one statement are no independent draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_binary, require_equal_lengths, require_finite, require_rows

COMPOSITION_CHANCE = (0.25, 0.25, 1 / 6)
"""What four independent random scores earn: of their 24 orders 6, 6 and 4 put the right ones above the wrong."""


@dataclass(frozen=True)
class PairScore:
    """How many statements about pairs are judged rightly.

    Attributes:
        accuracy: share of the pairs that are right.
        statement_accuracy: mean over statements of the share of their pairs that are right.
        consistency: share of the statements all of whose pairs are right; never above `statement_accuracy`.
        right: [pairs] float64, 1 where the pair is right: what a bootstrap resamples.
        pairs: number of pairs.
        statements: number of different statements.

    Shape: right (pairs,).
    """

    accuracy: float
    statement_accuracy: float
    consistency: float
    right: Float[Tensor, " pairs"]
    pairs: int
    statements: int


@dataclass(frozen=True)
class CompositionScore:
    """Shares of examples whose two items and two captions are matched rightly; chance is `COMPOSITION_CHANCE`.

    Attributes:
        choose_b: for each a its own b scores strictly higher (text score of Winoground, a the picture).
        choose_a: for each b its own a scores strictly higher (image score).
        group: both hold.
        examples: number of examples.
    """

    choose_b: float
    choose_a: float
    group: float
    examples: int


def pair_score(
    judged: Shaped[Tensor, " pairs"], truth: Shaped[Tensor, " pairs"], statement: Int64[Tensor, " pairs"]
) -> PairScore:
    """Accuracy over pairs and consistency over statements (NLVR2).

    Shape: judged, truth (0 or 1, or bool) and statement (pairs,); equal statement numbers are one statement.

    Raises: ValueError for no pair, lengths that differ, or a judgement or truth that is not 0 or 1.

    >>> judged, truth = torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1])
    >>> found = pair_score(judged, truth, torch.tensor([7, 7, 8]))
    >>> round(found.accuracy, 3), found.statement_accuracy, found.consistency
    (0.667, 0.75, 0.5)
    """
    for name, values in (("judged", judged), ("truth", truth)):
        require_rows(name, values, 1)
        require_binary(name, values)
    require_equal_lengths(("judged", "truth", "statement"), (judged, truth, statement))
    right = (judged.bool() == truth.bool()).double()
    kinds, index = torch.unique(statement, return_inverse=True)
    total = right.new_zeros(len(kinds)).index_add(0, index, right)
    size = torch.bincount(index, minlength=len(kinds))
    return PairScore(
        accuracy=float(right.mean()),
        statement_accuracy=float((total / size).mean()),
        consistency=float((total == size).double().mean()),
        right=right,
        pairs=len(right),
        statements=len(kinds),
    )


def composition_score(scores: Shaped[Tensor, "examples a b"]) -> CompositionScore:
    """Winoground's text, image and group score of similarities s[e, i, j] of a_i with b_j (i belongs to j = i).

    A tie is wrong, as published: a model that ignores one side scores 0 on the choice among that side.

    Shape: scores (examples, 2, 2).

    Raises: ValueError for another shape, no example, or a score that is not finite.

    >>> composition_score(torch.tensor([[[0.9, 0.2], [0.3, 0.4]], [[0.9, 0.2], [0.8, 0.4]]]))
    CompositionScore(choose_b=0.5, choose_a=1.0, group=0.5, examples=2)
    """
    require_rows("scores", scores, 3)
    if scores.shape[1:] != (2, 2):
        raise ValueError(f"scores has shape {tuple(scores.shape)}; give two items by two captions, (examples, 2, 2).")
    require_finite("scores", scores)
    own = torch.diagonal(scores, dim1=1, dim2=2)
    choose_b = (own > torch.stack((scores[:, 0, 1], scores[:, 1, 0]), 1)).all(dim=1)
    choose_a = (own > torch.stack((scores[:, 1, 0], scores[:, 0, 1]), 1)).all(dim=1)
    return CompositionScore(_share(choose_b), _share(choose_a), _share(choose_b & choose_a), examples=len(scores))


def order_sensitivity(given: Shaped[Tensor, " pairs"], swapped: Shaped[Tensor, " pairs"]) -> float:
    """Mean |p(A, B) - p(B, A)| of symmetric statements, whose judgement should not depend on the order; 0 is best.

    Shape: given and swapped (pairs,), the probability of "true" in both orders.

    Raises: ValueError for no pair, lengths that differ, or a value that is not finite.

    >>> order_sensitivity(torch.tensor([0.75, 0.5]), torch.tensor([0.25, 0.5]))
    0.25
    """
    for name, values in (("given", given), ("swapped", swapped)):
        require_rows(name, values, 1)
        require_finite(name, values)
    require_equal_lengths(("given", "swapped"), (given, swapped))
    return float((given.double() - swapped.double()).abs().mean())


def _share(marks: Bool[Tensor, " examples"]) -> float:
    return float(marks.double().mean())
