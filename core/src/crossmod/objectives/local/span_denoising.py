"""Span denoising: cut spans out of a text, leave sentinels, and generate what was cut.

T5 (arXiv:1910.10683) gives every span a sentinel of its own; UniXcoder (arXiv:2203.03850) states the number and the
lengths of the spans; BART (arXiv:1910.13461) and SpeechT5 (arXiv:2110.07205) put one [MASK] for every span and
generate the whole text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


class Span(NamedTuple):
    """The tokens start <= i < stop of a text."""

    start: int
    stop: int


class Denoising(NamedTuple):
    """A text with sentinels in place of its spans, and the sentinels each followed by its span.

    Shape:
        inputs: [kept + spans] int64.
        targets: [cut + spans] int64.
    """

    inputs: Int64[Tensor, "inputs"]
    targets: Int64[Tensor, "targets"]


def draw_spans(
    length: int, share: float = 0.15, mean_length: int = 5, generator: torch.Generator | None = None
) -> list[Span]:
    """Spans that neither overlap nor touch: max(floor(length share / mean_length), 1), lengths in 1 .. 2 mean - 1.

    Number and lengths are UniXcoder's; the gaps before, between and after are drawn uniformly among all that leave
    one token between two spans [ours]. A text too short for its spans has them shortened, and keeps one token.

    Returns:
        In the order of the text; none for a text of fewer than two tokens.

    Raises:
        ValueError: `share` does not lie between 0 and 1, or `mean_length` is below 1.
    """
    if not 0 < share < 1 or mean_length < 1:
        raise ValueError(
            f"spans of {share} of a text, {mean_length} long, cannot be drawn; take 0 < share < 1, length >= 1"
        )
    if length < 2:
        return []
    count = max(int(length * share / mean_length + 1e-9), 1)
    sizes = torch.randint(1, 2 * mean_length, (count,), generator=generator).tolist()
    count = min(count, length // 2)
    sizes = sizes[:count]
    room = length - max(1, count - 1)
    while sum(sizes) > room:
        sizes[sizes.index(max(sizes))] -= 1
    gaps = _draw_gaps(length - sum(sizes) - (count - 1), count + 1, generator)
    spans, at = [], 0
    for size, gap in zip(sizes, gaps, strict=False):
        spans.append(Span(at + gap, at + gap + size))
        at += gap + size + 1
    return spans


def _draw_gaps(total: int, parts: int, generator: torch.Generator | None) -> list[int]:
    """`parts` numbers >= 0 that sum to `total`, uniform over all such (bars among stars)."""
    bars = sorted(torch.randperm(total + parts - 1, generator=generator)[: parts - 1].tolist())
    return [b - a - 1 for a, b in zip([-1, *bars], [*bars, total + parts - 1], strict=True)]


def cut_spans(ids: Int64[Tensor, "length"], spans: Sequence[Span], sentinels: Sequence[int]) -> Denoising:
    """Replace span i by sentinel i; the target is sentinel 0, span 0, sentinel 1, span 1, and so on.

    Shape:
        ids: [length].

    Raises:
        ValueError: There are fewer sentinels than spans, spans overlap or leave the text, or the text holds a sentinel.
    """
    if len(spans) > len(sentinels):
        raise ValueError(f"{len(spans)} spans need as many sentinels, and there are {len(sentinels)}; reserve more ids")
    if bool(torch.isin(ids, ids.new_tensor(list(sentinels))).any()):
        raise ValueError(
            "the text holds a sentinel's id, so the cut could not be undone; reserve ids that no text uses"
        )
    inputs, targets, at = [], [], 0
    for span, sentinel in zip(spans, sentinels, strict=False):
        if not at <= span.start < span.stop <= len(ids):
            raise ValueError(f"{span} overlaps another span or leaves a text of {len(ids)} tokens; give ordered spans")
        mark = ids.new_tensor([sentinel])
        inputs += [ids[at : span.start], mark]
        targets += [mark, ids[span.start : span.stop]]
        at = span.stop
    return Denoising(torch.cat([*inputs, ids[at:]]), torch.cat(targets) if targets else ids[:0])


def fill_spans(
    inputs: Int64[Tensor, "inputs"], targets: Int64[Tensor, "targets"], sentinels: Sequence[int]
) -> Int64[Tensor, "length"]:
    """The text that `cut_spans` cut: every sentinel of the inputs replaced by what follows it in the targets.

    Raises:
        ValueError: A sentinel of the inputs is absent from the targets.
    """
    marks = set(sentinels)
    spans: dict[int, list[int]] = {}
    open_span: list[int] = []
    for token in targets.tolist():
        if token in marks:
            open_span = spans.setdefault(token, [])
        else:
            open_span.append(token)
    text: list[int] = []
    for token in inputs.tolist():
        if token in marks and token not in spans:
            raise ValueError(f"sentinel {token} of the inputs is not in the targets; they belong to different texts")
        text += spans[token] if token in marks else [token]
    return inputs.new_tensor(text)


def infill(
    ids: Int64[Tensor, "length"],
    fixed: Bool[Tensor, "length"],
    mask_id: int,
    share: float = 0.3,
    mean_length: float = 3.5,
    generator: torch.Generator | None = None,
    *,
    random_share: float = 0.1,
    random_ids: tuple[int, int] | None = None,
) -> Int64[Tensor, "noised"]:
    """BART's text infilling as SpeechT5 uses it: Poisson(3.5) spans of 30% of the tokens, each span one [MASK].

    The spans' lengths sum to ceil(share * tokens that are not fixed); a span of length zero inserts a [MASK]; spans
    are separated by at least one token where there is room. Of the [MASK]s that stand for tokens, `random_share`
    become a random token instead.

    Args:
        fixed: True at tokens that stay as and where they are, such as the first and last of a text.
        random_ids: The range [first, last) that random tokens come from; required unless `random_share` is 0.

    Shape:
        ids, fixed: [length].

    Returns:
        [noised length].

    Raises:
        ValueError: `share` is not in [0, 1], `mean_length` is below 1, or random tokens have no range.
    """
    if not 0 <= share <= 1 or not mean_length >= 1:
        raise ValueError(
            f"{share} of a text in spans of {mean_length} cannot be cut out; take 0 <= share <= 1, length >= 1"
        )
    if random_share and random_ids is None:
        raise ValueError("random tokens need the range of ids they come from; give random_ids or random_share=0")
    free = (~fixed).nonzero()[:, 0].tolist()
    budget = math.ceil(len(free) * share - 1e-9)
    covered, inserted = _draw_cover(len(free), budget, mean_length, generator)
    low, high = random_ids or (mask_id, mask_id + 1)
    draws = torch.rand(len(ids) + 1, generator=generator)
    tokens = torch.randint(low, high, (len(ids) + 1,), generator=generator).tolist()
    span_of = {free[i]: number for i, number in covered.items()}
    noised: list[int] = []
    previous = -1
    before = {free[i]: count for i, count in inserted.items()}
    for place, token in enumerate(ids.tolist()):
        noised += [mask_id] * before.get(place, 0)
        number = span_of.get(place, -1)
        if number < 0:
            noised.append(token)
        elif number != previous:
            noised.append(tokens[place] if float(draws[place]) < random_share else mask_id)
        previous = number
    return ids.new_tensor(noised)


def _draw_cover(
    length: int, budget: int, mean_length: float, generator: torch.Generator | None
) -> tuple[dict[int, int], dict[int, int]]:
    """The span number of every covered token, and how many empty spans stand before a token."""
    sizes: list[int] = []
    empty = 0
    rate = torch.tensor(mean_length)
    while sum(sizes) < budget:
        size = int(torch.poisson(rate, generator=generator))
        if size:
            sizes.append(min(size, budget - sum(sizes)))
        else:
            empty += 1
    spaces = min(len(sizes) - 1, length - budget) if sizes else 0
    gaps = _draw_gaps(length - budget - spaces, len(sizes) + 1, generator) if sizes else []
    covered: dict[int, int] = {}
    at = 0
    for number, size in enumerate(sizes):
        at += gaps[number]
        covered.update(dict.fromkeys(range(at, at + size), number))
        at += size + (number < spaces)
    places = torch.randint(0, max(1, length), (empty,), generator=generator).tolist()
    outside = [place for place in places if place not in covered] if length else []
    return covered, {place: outside.count(place) for place in outside}
