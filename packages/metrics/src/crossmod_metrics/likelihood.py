"""Ranking answers by their likelihood under a language model, without parsing generated text.

mPLUG-video (Youku-mPLUG) scores every class name y by sum_k log p(y_k | prefix, y_<k); the study of bridge
architectures judges statements by log p(True) - log p(False) at the answer position.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.ranking import Ties, ranks_from_scores
from crossmod_metrics.validation import (
    require_class_indices,
    require_equal_lengths,
    require_finite,
    require_rows,
    require_without_nan,
)


def sequence_log_likelihood(
    logits: Shaped[Tensor, "sequences length vocabulary"],
    tokens: Int64[Tensor, "sequences length"],
    answer: Bool[Tensor, "sequences length"],
    *,
    length_normalise: bool = False,
) -> Float[Tensor, " sequences"]:
    """Log-likelihood sum_k log softmax(logits_k)[token_k] over the tokens of each answer.

    The logits at a position must be those that predict the token at that position (shift a causal model's by one).
    Prefix and padding are where `answer` is false, and have no part in it whatever they hold. Summed in double.

    Shape: logits (sequences, length, vocabulary), tokens and answer (sequences, length); result (sequences,), float64.

    Args:
        length_normalise: divide by the number of answer tokens, which keeps long names in the race.

    Raises: ValueError for empty input, shapes that differ, an answer without a token, an answer token outside the
    vocabulary, or NaN at an answer position.

    >>> logits = torch.zeros(1, 3, 4)
    >>> found = sequence_log_likelihood(logits, torch.tensor([[1, 2, 0]]), torch.tensor([[True, True, False]]))
    >>> round(float(found[0].exp()), 6)
    0.0625
    """
    require_rows("logits", logits, 3)
    if tokens.shape != logits.shape[:2] or answer.shape != logits.shape[:2]:
        raise ValueError(
            f"logits has shape {tuple(logits.shape)}, tokens {tuple(tokens.shape)} and answer {tuple(answer.shape)}; "
            "give one token and one mark for each position."
        )
    count = answer.sum(dim=1)
    if int(count.min()) == 0:
        raise ValueError(f"sequence {int(count.argmin())} has no answer token; mark at least one.")
    chosen = tokens[answer]
    require_class_indices("tokens", chosen, logits.shape[2])
    scores = logits[answer]
    require_without_nan("logits", scores)
    of_token = torch.log_softmax(scores.double(), dim=1).gather(1, chosen[:, None])[:, 0]
    row = answer.nonzero()[:, 0]
    total = of_token.new_zeros(len(logits)).index_add(0, row, of_token)
    return total / count if length_normalise else total


def answer_log_odds(
    logits: Shaped[Tensor, "samples vocabulary"], true_token: int, false_token: int
) -> Float[Tensor, " samples"]:
    """log p(True) - log p(False) at the answer position: the difference of the two logits, and of nothing else.

    For answers of several tokens subtract two `sequence_log_likelihood`. Judge by > 0 and by a threshold of
    `choose_threshold`, and report both.

    Shape: logits (samples, vocabulary); result (samples,), float64.

    Raises: ValueError for empty or non-finite logits, or a token outside the vocabulary.

    >>> answer_log_odds(torch.tensor([[0.0, 2.0, 0.5]]), 1, 2).tolist()
    [1.5]
    """
    require_rows("logits", logits, 2)
    require_class_indices("answer tokens", torch.tensor([true_token, false_token]), logits.shape[1])
    pair = logits[:, [true_token, false_token]].double()
    require_finite("logits of the two answers", pair)
    return pair[:, 0] - pair[:, 1]


def rank_by_likelihood(
    log_likelihood: Shaped[Tensor, "samples candidates"],
    truth: Int64[Tensor, " samples"],
    *,
    lengths: Int64[Tensor, " candidates"] | None = None,
    ties: Ties = "mean",
) -> Float[Tensor, " samples"]:
    """Rank of the true candidate by log-likelihood, or by log-likelihood a token where `lengths` are given.

    Shape: log_likelihood (samples, candidates), truth (samples,), lengths (candidates,); result (samples,), float64.

    Args:
        log_likelihood: of every candidate answer given every sample; -inf is allowed.
        truth: which candidate is right.
        lengths: tokens of every candidate, to normalise by.
        ties: the tie rule of `ranks`.

    Raises: ValueError for empty input or NaN, lengths that differ or are below 1, or a truth outside the candidates.

    >>> scores = torch.tensor([[-2.0, -3.0]])
    >>> rank_by_likelihood(scores, torch.tensor([1])).tolist()
    [2.0]
    >>> rank_by_likelihood(scores, torch.tensor([1]), lengths=torch.tensor([1, 2])).tolist()
    [1.0]
    """
    require_rows("log_likelihood", log_likelihood, 2)
    require_equal_lengths(("log_likelihood", "truth"), (log_likelihood, truth))
    require_class_indices("truth", truth, log_likelihood.shape[1])
    scores = log_likelihood.double()
    if lengths is not None:
        if lengths.shape != scores.shape[1:] or int(lengths.min()) < 1:
            raise ValueError(
                f"lengths has shape {tuple(lengths.shape)} for {scores.shape[1]} candidate(s); "
                "give each candidate's number of tokens, from 1."
            )
        scores = scores / lengths
    positives = torch.zeros_like(scores, dtype=torch.bool).scatter(1, truth[:, None], True)
    return ranks_from_scores(scores, positives, ties=ties)
