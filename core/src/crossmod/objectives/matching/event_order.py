"""Recordings of several events in order, and the texts that tell them in another order (EA-VTR's ETA).

(spec) marks what is our exact definition: the paper (arXiv:2407.07478) was read in its abstract and a summary only. Do
not join what must not be joined: the events of a recording have to come from one domain, and never from two patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor

CONNECTIVES = ("first {}", "then {}", "finally {}")


@dataclass(frozen=True)
class ComposedEvents:
    """One recording made of several.

    Args:
        frames: [length, ...], the events one after the other.
        spans: (first frame, frame after the last) of each event; they tile the recording.
        text: The events' texts in their order.
        reordered: The texts in every other order; never equal to `text` nor to each other.
    """

    frames: Float[Tensor, "length *frame"]
    spans: tuple[tuple[int, int], ...]
    text: str
    reordered: tuple[str, ...]


def join_texts(texts: Sequence[str], connectives: Sequence[str] = CONNECTIVES) -> str:
    """(spec) The texts with order words: the first one, the second between, the third for the last of three or more.

    Raises:
        ValueError: There are fewer than two texts, or the connectives are not three with a place for a text each.
    """
    if len(texts) < 2 or len(connectives) != 3 or any("{}" not in words for words in connectives):
        raise ValueError(
            f"{len(texts)} texts cannot be joined by {list(connectives)}; give two or more, and three order words "
            "with '{}' in each."
        )
    opening, between, last = connectives
    chosen = [opening, *[between] * (len(texts) - 1)]
    if len(texts) > 2:
        chosen[-1] = last
    return ", ".join(words.replace("{}", text) for words, text in zip(chosen, texts, strict=True))


def reordered_texts(texts: Sequence[str], connectives: Sequence[str] = CONNECTIVES) -> tuple[str, ...]:
    """Every other order of the texts, joined: K! - 1 of them when all differ; those that read the same are dropped."""
    true = join_texts(texts, connectives)
    others = (join_texts(order, connectives) for order in permutations(texts))
    return tuple(text for text in dict.fromkeys(others) if text != true)


def compose_events(
    clips: Sequence[Float[Tensor, "length *frame"]],
    texts: Sequence[str],
    *,
    lengths: Sequence[int] | None = None,
    trim: float = 0.0,
    connectives: Sequence[str] = CONNECTIVES,
    generator: torch.Generator | None = None,
) -> ComposedEvents:
    """Join single-event recordings in time, and their texts with order words.

    Args:
        clips: The events, in order; equal in the shape of their frames.
        texts: What each shows.
        lengths: Real frames of each clip; what lies behind is padding and left out. None takes all.
        trim: (spec) Largest share of an event's frames cut away, at random split over both ends, so that seams cannot
            be told by their place; at least one frame stays.
        connectives: Order words, as for `join_texts`.
        generator: Of the trims, on the CPU.

    Raises:
        ValueError: Clips and texts do not fit, frames differ in shape, a clip has no real frame, or the trim lies
            outside [0, 1).
    """
    kept = [len(clip) for clip in clips] if lengths is None else list(lengths)
    if not len(clips) == len(texts) == len(kept) or not 0 <= trim < 1:
        raise ValueError(
            f"{len(clips)} clips with {len(texts)} texts, {len(kept)} lengths and a trim of {trim}; give one of each "
            "an event, and a trim in [0, 1)."
        )
    if any(not 0 < length <= len(clip) for length, clip in zip(kept, clips, strict=True)):
        raise ValueError(f"clips of {[len(clip) for clip in clips]} frames cannot have {kept} real ones; one at least.")
    if len({clip.shape[1:] for clip in clips}) > 1:
        raise ValueError(f"frames of shapes {[list(clip.shape[1:]) for clip in clips]} do not make one recording.")
    text, reordered = join_texts(texts, connectives), reordered_texts(texts, connectives)
    parts = [_trimmed(clip[:length], trim, generator) for clip, length in zip(clips, kept, strict=True)]
    ends = torch.tensor([len(part) for part in parts]).cumsum(0).tolist()
    spans = tuple(zip([0, *ends[:-1]], ends, strict=True))
    return ComposedEvents(torch.cat(parts), spans, text, reordered)


def draw_events(
    group: Sequence[int], domain: Sequence[int], count: int, *, generator: torch.Generator | None = None
) -> tuple[int, ...]:
    """Draw `count` samples of different groups and of one domain, in random order.

    Raises:
        ValueError: No domain has so many groups.
    """
    draw = torch.randperm(len(group), generator=generator).tolist()
    found: dict[int, dict[int, int]] = {}
    for place in draw:
        events = found.setdefault(domain[place], {})
        events.setdefault(group[place], place)
        if len(events) == count:
            return tuple(events.values())
    most = max((len(events) for events in found.values()), default=0)
    raise ValueError(f"{count} events of one domain are wanted, but no domain has more than {most} different ones.")


def _trimmed(clip: Tensor, trim: float, generator: torch.Generator | None) -> Tensor:
    if not trim:
        return clip
    share, place = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    cut = min(len(clip) - 1, int(share * trim * len(clip) + 0.5))
    first = int(place * (cut + 1))
    return clip[first : len(clip) - cut + first]
