"""Beam search over tokens, many sources at once: a beam of one is greedy decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

NextToken = Callable[[Int64[Tensor, "rows length"], Int64[Tensor, "rows"]], Float[Tensor, "rows vocabulary"]]
"""Given prefixes, and which row of the call before each continues (at the first call, which source), the
log-probabilities of the next token."""


class Hypothesis(NamedTuple):
    """A finished sequence.

    Args:
        ids: Its tokens, without first and last.
        score: Sum of their log-probabilities over (tokens + 1)^length_power.
    """

    ids: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class BeamOptions:
    """How sequences are searched.

    Args:
        start, end: Tokens that begin and end a sequence.
        beam: Sequences that are kept open for every source.
        longest: Most tokens between start and end; what is open then is ended there.
        length_power: Power of the length that sums of log-probabilities are divided by; 1 compares means, 0 sums.
        forbidden: Tokens that no sequence holds.
    """

    start: int
    end: int
    beam: int = 1
    longest: int = 200
    length_power: float = 1.0
    forbidden: Sequence[int] = field(default=())


@torch.no_grad()
def beam_search(next_token: NextToken, sources: int, options: BeamOptions) -> list[list[Hypothesis]]:
    """For every source its finished sequences, best first; at least one, at most `beam`.

    A source is closed once it has `beam` finished sequences. The rows of all sources that are open are one batch.

    Raises:
        ValueError: The beam or the length is below 1.
    """
    if options.beam < 1 or options.longest < 1:
        raise ValueError(f"a beam of {options.beam} and {options.longest} tokens find nothing; take at least 1 of both")
    finished: list[list[Hypothesis]] = [[] for _ in range(sources)]
    source = parent = torch.arange(sources)
    prefix = torch.full((sources, 1), options.start, dtype=torch.int64)
    total = torch.zeros(sources)
    for length in range(options.longest + 1):
        if not len(source):
            break
        scores = next_token(prefix, parent).float().cpu()
        scores[:, list(options.forbidden)] = -torch.inf
        if length == options.longest:
            scores[:, : options.end] = scores[:, options.end + 1 :] = -torch.inf
        parent, prefix, total = _grown(total[:, None] + scores, source, prefix, finished, options)
        source = source[parent]
    return [sorted(found, key=lambda each: -each.score)[: options.beam] for found in finished]


def _grown(
    reached: Float[Tensor, "rows vocabulary"],
    source: Int64[Tensor, "rows"],
    prefix: Int64[Tensor, "rows length"],
    finished: list[list[Hypothesis]],
    options: BeamOptions,
) -> tuple[Tensor, Tensor, Tensor]:
    """Which rows go on, their prefixes and their scores; those that end now are added to `finished`."""
    divisor = float(prefix.shape[1]) ** options.length_power
    rows, tokens, totals = [], [], []
    for number in torch.unique(source).tolist():
        own = (source == number).nonzero()[:, 0]
        # One sequence in every row may end, so twice the beam leaves a beam that does not.
        flat = reached[own].flatten()
        best, place = flat.topk(min(2 * options.beam, len(flat)))
        row, token = own[place // reached.shape[1]], place % reached.shape[1]
        possible = best > -torch.inf
        ends = (token == options.end) & possible
        # An end counts where it is among the beam's best: a beam of one ends only where that is likeliest.
        now = ends.nonzero()[:, 0]
        now = now[now < options.beam]
        for score, which in zip(best[now].tolist(), row[now].tolist(), strict=True):
            finished[number].append(Hypothesis(tuple(prefix[which, 1:].tolist()), score / divisor))
        if len(finished[number]) >= options.beam:
            continue
        stays = (~ends & possible).nonzero()[:, 0][: options.beam]
        rows.append(row[stays])
        tokens.append(token[stays])
        totals.append(best[stays])
    if not rows:
        return source[:0], prefix[:0], reached.new_zeros(0)
    kept = torch.cat(rows)
    return kept, torch.cat([prefix[kept], torch.cat(tokens)[:, None]], 1), torch.cat(totals)
