"""Windows of one length over utterances of any: where they lie, and what fills the short ones."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
from jaxtyping import Int16
from torch import Tensor

Fill = Literal["repeatpad", "repeat", "pad", "none"]


def filled(samples: Int16[Tensor, "samples"], window: int, fill: Fill) -> Int16[Tensor, "filled"]:
    """An utterance brought to the window's length, one that is not shorter left as it is (CLAP, arXiv:2211.06687).

    "repeatpad" repeats it whole as often as it fits, then adds silence; "repeat" repeats it and cuts; "pad" adds
    silence; "none" leaves it short.

    >>> [filled(torch.tensor([1, 2, 3]), 7, fill).tolist() for fill in ("repeatpad", "repeat", "pad")]
    [[1, 2, 3, 1, 2, 3, 0], [1, 2, 3, 1, 2, 3, 1], [1, 2, 3, 0, 0, 0, 0]]
    """
    count = len(samples)
    if fill == "none" or not 0 < count < window:
        return samples
    if fill == "repeat":
        return samples.repeat(math.ceil(window / count))[:window]
    copies = samples.repeat(window // count) if fill == "repeatpad" else samples
    return torch.cat([copies, copies.new_zeros(window - len(copies))])


def window_starts(extent: int, window: int, overlap: float) -> list[int]:
    """Where windows begin, evenly spread from end to end, neighbours sharing at least the overlap.

    >>> window_starts(100, 40, 0.25), window_starts(40, 40, 0.5), window_starts(41, 40, 0.0)
    ([0, 30, 60], [0], [0, 1])
    """
    slack = max(extent - window, 0)
    count = math.ceil(slack / max(1, math.floor(window * (1 - overlap)))) + 1
    return [round(number * slack / max(1, count - 1)) for number in range(count)]


def thirds(slack: int) -> list[tuple[int, int]]:
    """First and last start of a window in the front, the middle and the back of what is longer by `slack` places.

    >>> thirds(9), thirds(1), thirds(0)
    ([(0, 3), (3, 6), (6, 9)], [(0, 0), (0, 1), (1, 1)], [(0, 0), (0, 0), (0, 0)])
    """
    bounds = [round(number * slack / 3) for number in range(4)]
    return list(itertools.pairwise(bounds))
