"""Answers beside matching: only a pair that belongs together has one (LXMERT, arXiv:1908.07490)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

NO_ANSWER = -1


@torch.no_grad()
def draw_answers(
    scores: Float[Tensor, "pairs answers"], *, generator: torch.Generator | None = None
) -> Int64[Tensor, "pairs"]:
    """One answer a row, drawn in proportion to its score; -1 for a row in which every score is zero.

    Raises:
        ValueError: A score is negative or not finite, or there is no answer to draw.
    """
    if scores.ndim != 2 or not scores.shape[1] or not bool((torch.isfinite(scores) & (scores >= 0)).all()):
        raise ValueError(f"answer scores of shape {list(scores.shape)} are finite, at least 0, and one a known answer.")
    some = scores.sum(1) > 0
    answers = torch.full((len(scores),), NO_ANSWER, device=scores.device)
    if bool(some.any()):
        answers[some] = torch.multinomial(scores[some].float(), 1, generator=generator)[:, 0]
    return answers


def answer_cross_entropy(
    logits: Float[Tensor, "pairs answers"], answer: Int64[Tensor, "pairs"], matched: Bool[Tensor, "pairs"]
) -> Float[Tensor, ""]:
    """Mean of -log softmax(logits)[answer] over matching pairs that have an answer; without any, a zero with gradient.

    The label of a pair that does not match is never read: its text was asked of something else.

    Shape:
        logits: [pairs, answers]; answer: [pairs], -1 = none; matched: [pairs].

    Raises:
        ValueError: Shapes do not fit, or an answer that counts lies outside the table.
    """
    if logits.ndim != 2 or not logits.shape[:1] == answer.shape == matched.shape:
        raise ValueError(
            f"answer scores of shape {list(logits.shape)} with {list(answer.shape)} answers and {list(matched.shape)} "
            "verdicts; give one of each a pair."
        )
    counted = matched & (answer != NO_ANSWER)
    chosen, wanted = logits[counted], answer[counted]
    scored = chosen.float() if chosen.dtype in (torch.float16, torch.bfloat16) else chosen
    if not len(wanted):
        return scored.sum()
    if int(wanted.min()) < 0 or int(wanted.max()) >= logits.shape[1]:
        raise ValueError(
            f"answers run from {int(wanted.min())} to {int(wanted.max())}, but the table has {logits.shape[1]}; mark "
            f"answers that it lacks by {NO_ANSWER}."
        )
    return cross_entropy(scored, wanted)
