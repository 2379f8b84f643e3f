"""Maskers: which tokens of a sample stay visible, as pure functions of an explicit generator.

All return `keep`, true where a token stays visible. Padding (false in `mask`) is never counted, never hidden, and
comes back true, so that `~keep` is exactly what has to be reconstructed.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Rounding = Literal["visible", "hidden", "nearest"]

_ROUNDING_SLACK = 1e-9


def hidden_counts(
    real: Int64[Tensor, "*batch"], share: float, rounding: Rounding = "visible"
) -> Int64[Tensor, "*batch"]:
    """How many of `real` tokens to hide; a row with any real token keeps at least one of them.

    Args:
        real: The number of real tokens of every row.
        share: Share to hide.
        rounding: "visible" keeps int(real (1 - share)) (MAE, arXiv:2111.06377), "hidden" hides int(share real)
            (Point-MAE, arXiv:2203.06604), "nearest" hides round(share real), at least one (BERT). Products are
            taken as whole within 1e-9, so that 0.9 of ten tokens keeps one and not, by rounding, none.

    Shape:
        real: [...] int64.

    Raises:
        ValueError: `share` does not lie in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share of hidden tokens is {share}; it lies in [0, 1), as something has to stay visible")
    exact = real.double()
    if rounding == "visible":
        hidden = real - (exact * (1 - share) + _ROUNDING_SLACK).floor().long()
    elif rounding == "hidden":
        hidden = (exact * share + _ROUNDING_SLACK).floor().long()
    else:
        hidden = (exact * share).round().long().clamp(min=1 if share > 0 else 0)
    return hidden.minimum((real - 1).clamp(min=0))


def uniform_masking(
    mask: Bool[Tensor, "batch length"],
    share: float,
    generator: torch.Generator | None = None,
    rounding: Rounding = "visible",
) -> Bool[Tensor, "batch length"]:
    """Hide tokens drawn uniformly without replacement, each row on its own (MAE, arXiv:2111.06377, step 2).

    Shape:
        mask: [batch, length]; true = real token.

    Returns:
        [batch, length]; false = hidden.

    Raises:
        ValueError: `share` does not lie in [0, 1).
    """
    return hide_lowest(uniform_noise(mask, generator), mask, hidden_counts(mask.sum(1), share, rounding))


def hide_lowest(
    scores: Float[Tensor, "batch length"], mask: Bool[Tensor, "batch length"], hidden: Int64[Tensor, "batch"]
) -> Bool[Tensor, "batch length"]:
    """Hide the `hidden` real tokens of lowest score in every row; a given score matrix is a given pattern.

    Shape:
        scores: [batch, length], finite at real tokens.
        mask: [batch, length]; true = real token.
        hidden: [batch]; how many to hide.

    Returns:
        [batch, length]; false = hidden.
    """
    rank = scores.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    return ~((rank < hidden[:, None]) & mask)


def block_masking(
    mask: Bool[Tensor, "batch length"],
    coordinates: Float[Tensor, "batch length axes"],
    share: float,
    generator: torch.Generator | None = None,
    rounding: Rounding = "hidden",
) -> Bool[Tensor, "batch length"]:
    """Hide the tokens nearest to one real token drawn at random (Point-MAE's block masking, arXiv:2203.06604).

    With grid coordinates the same function hides a disc of an image or a ball of a volume [ours].

    Shape:
        mask: [batch, length]; true = real token.
        coordinates: [batch, length, axes]; places of the tokens, in any unit.

    Returns:
        [batch, length]; false = hidden.

    Raises:
        ValueError: `share` does not lie in [0, 1).
    """
    hidden = hidden_counts(mask.sum(1), share, rounding)
    if not mask.numel():
        return torch.ones_like(mask)
    centre = uniform_noise(mask, generator).masked_fill(~mask, torch.inf).argmin(1)
    origin = coordinates.gather(1, centre[:, None, None].expand(-1, 1, coordinates.shape[2]))
    distance = (coordinates - origin).double().square().sum(2)
    return hide_lowest(distance, mask, hidden)


def span_masking(
    mask: Bool[Tensor, "batch length"],
    share: float,
    span_length: int,
    generator: torch.Generator | None = None,
    at_least_one: bool = True,
) -> Bool[Tensor, "batch length"]:
    """Hide spans of `span_length` consecutive real tokens that start at distinct places and may overlap.

    As in wav2vec 2.0 (arXiv:2006.11477) and SpeechT5 (arXiv:2110.07205): `int(share real / span_length + u)` starts,
    u uniform in [0, 1), among the places where a whole span fits. SpeechT5's share of 0.8 with length 10 makes 8% of
    the frames starts; overlaps leave less than the share hidden.

    Args:
        at_least_one: Draw one span in every row that has a real token, however short.

    Shape:
        mask: [batch, length]; true = real token; consecutive means next to each other among these.

    Returns:
        [batch, length]; false = hidden. A row of no more than `span_length` tokens may be hidden whole.

    Raises:
        ValueError: `share` is not in [0, 1], or `span_length` is below 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of tokens in spans is {share}; it lies in [0, 1]")
    if span_length < 1:
        raise ValueError(f"the span length is {span_length}; it is at least 1")
    if not mask.numel():
        return torch.ones_like(mask)
    real = mask.sum(1)
    lift = torch.rand(len(mask), generator=generator, device=mask.device, dtype=torch.float64)
    starts = (real.double() * share / span_length + lift).floor().long()
    if at_least_one and share > 0:
        starts = starts.clamp(min=1)
    place = mask.cumsum(1) - 1
    fits = mask & (place < (real - span_length + 1).clamp(min=1)[:, None])
    chosen = ~hide_lowest(uniform_noise(mask, generator), fits, starts)
    begun = torch.zeros(len(mask), mask.shape[1] + span_length, dtype=torch.int64, device=mask.device)
    # Counted over real tokens, so that a gap of padding inside a row neither ends a span nor uses it up.
    begun.scatter_add_(1, place.clamp(min=0), chosen.long())
    begun.scatter_add_(1, place.clamp(min=0) + span_length, -chosen.long())
    covered = begun.cumsum(1).gather(1, place.clamp(min=0)) > 0
    return ~(covered & mask)


def group_masking(
    mask: Bool[Tensor, "batch length"],
    group: Int64[Tensor, "batch length"],
    share: float,
    generator: torch.Generator | None = None,
    at_least_one: bool = True,
) -> Bool[Tensor, "batch length"]:
    """Hide whole groups of tokens: a tube of a video, a word, an attribute phrase.

    Hides round(share groups) of the groups of every row. Tubes are groups that share their place over time
    (VideoMAE, arXiv:2203.12602); whole words serve M3AE (arXiv:2209.07098), phrases PLIP (arXiv:2305.08386).

    Args:
        at_least_one: Hide one group in every row that has any.

    Shape:
        mask: [batch, length]; true = real token.
        group: [batch, length]; equal numbers of one row are one group; negative = never hidden.

    Returns:
        [batch, length]; false = hidden.

    Raises:
        ValueError: `share` does not lie in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of hidden groups is {share}; it lies in [0, 1]")
    if not mask.numel():
        return torch.ones_like(mask)
    member = mask & (group >= 0)
    key, order = torch.where(member, group, -1).sort(dim=1, stable=True)
    place = torch.arange(mask.shape[1], device=mask.device)
    begins = torch.ones_like(member)
    begins[:, 1:] = key[:, 1:] != key[:, :-1]
    # Equal keys lie side by side in the order of their places, so the start of each run is its group's first token.
    run = torch.where(begins, place, 0).cummax(1).values
    first = torch.empty_like(order).scatter_(1, order, order.gather(1, run))
    leader = member & (first == place)
    count = leader.sum(1)
    wanted = (count.double() * share).round().long()
    if at_least_one and share > 0:
        wanted = wanted.clamp(min=1)
    led = ~hide_lowest(uniform_noise(mask, generator), leader, wanted.minimum(count))
    return ~(led.gather(1, first) & member)


def tube_masking(
    mask: Bool[Tensor, "batch length"],
    coordinates: Float[Tensor, "batch length axes"],
    share: float,
    generator: torch.Generator | None = None,
    *,
    time_axis: int = 0,
) -> Bool[Tensor, "batch length"]:
    """Hide whole tubes: the tokens of one place at all times (VideoMAE, arXiv:2203.12602).

    A token's place is what its coordinates say beside `time_axis`; of a volume, tubes run through its slices.

    Shape:
        mask: [batch, length]; true = real token.
        coordinates: [batch, length, axes].

    Returns:
        [batch, length]; false = hidden. Round(share tubes) of every row are hidden, at least one, and one stays.

    Raises:
        ValueError: `share` does not lie in [0, 1), or there is no such axis.
    """
    axes = coordinates.shape[2]
    if not -axes <= time_axis < axes:
        raise ValueError(f"tubes run along axis {time_axis}, but the coordinates have {axes} axes; name one of them")
    if not 0 <= share < 1:
        raise ValueError(f"the share of hidden tubes is {share}; it lies in [0, 1), as something has to stay visible")
    beside = [axis for axis in range(axes) if axis != time_axis % axes]
    places = coordinates[..., beside].flatten(0, 1)
    # Along a single axis every token has the same (empty) place: one tube, of which nothing can be hidden.
    group = torch.unique(places, dim=0, return_inverse=True)[1] if places.numel() else places.new_zeros(mask.numel())
    keep = group_masking(mask, group.view(mask.shape).long(), share, generator)
    # One tube alone, or a share that rounds to all of them, would leave nothing to rebuild from: nothing is hidden.
    blind = mask.any(1) & ~(keep & mask).any(1)
    return keep | blind[:, None]


def uniform_noise(
    mask: Bool[Tensor, "batch length"], generator: torch.Generator | None
) -> Float[Tensor, "batch length"]:
    """One number in [0, 1) for every token, in float64: float32 draws tie in long rows, and ties favour the left."""
    return torch.rand(mask.shape, generator=generator, device=mask.device, dtype=torch.float64)
