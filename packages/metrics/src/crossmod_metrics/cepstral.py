"""Mel-cepstral distance: how far apart two spectral envelopes are, in decibels (Kubichek 1993, PACRIM 1:125-128).

The zeroth coefficient, which is loudness, is left out. Two recordings of one length are compared frame by frame;
others along the path of dynamic time warping that costs least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_metrics.validation import require_finite, require_rows, require_same_width

Alignment = Literal["frames", "warped"]

ORDER = 13
"""Coefficients that count, the zeroth left out: the custom of speech synthesis."""

DECIBELS = 20.0 / math.log(10.0)
"""Decibels of a natural logarithm of a magnitude."""


@dataclass(frozen=True)
class CepstralDistance:
    """The distance of two recordings.

    Attributes:
        decibels: mean distance of the pairs of frames that are compared; 0 for equal envelopes of any loudness.
        pairs: how many pairs of frames are compared.
        length_ratio: frames of the first over frames of the second.
    """

    decibels: float
    pairs: int
    length_ratio: float


def mel_cepstrum(
    log_magnitudes: Float[Tensor, "*frames bins"], order: int = ORDER
) -> Float[Tensor, "*frames coefficients"]:
    """Coefficients c_0 .. c_order with ln|H_k| = sum_m c_m cos(pi m (k + 1/2) / K), of bands k evenly spaced in mel.

    Shape: log_magnitudes (..., bins), natural logarithms of magnitudes (halve those of powers); result
    (..., order + 1), float64.

    Raises: ValueError for an order below 1, or one that the bands do not resolve.

    >>> bands = torch.cos(torch.pi * 2 * (torch.arange(8) + 0.5) / 8)
    >>> [round(value, 6) + 0.0 for value in mel_cepstrum(bands, 3).tolist()]
    [0.0, 0.0, 1.0, 0.0]
    """
    bins = log_magnitudes.shape[-1]
    if not 1 <= order < bins:
        raise ValueError(f"{bins} bands resolve 1 to {bins - 1} cepstral coefficients; order {order} is none of them.")
    wide = log_magnitudes.double()
    place = torch.arange(bins, dtype=torch.float64, device=wide.device) + 0.5
    number = torch.arange(order + 1, dtype=torch.float64, device=wide.device)[:, None]
    cosines = torch.cos(math.pi / bins * number * place) * 2 / bins
    cosines[0] /= 2
    return wide @ cosines.T


def mel_cepstral_distance(
    log_magnitudes_a: Float[Tensor, "frames_a bins"],
    log_magnitudes_b: Float[Tensor, "frames_b bins"],
    *,
    order: int = ORDER,
    align: Alignment = "frames",
) -> CepstralDistance:
    """Mean over compared frames of (10 sqrt 2 / ln 10) sqrt(sum_{m=1}^{order} (a_m - b_m)^2), in decibels.

    With every coefficient that the bands resolve it is the root mean square over bands of the difference in decibels,
    its mean over bands removed.

    Shape: log_magnitudes_a (frames_a, bins), log_magnitudes_b (frames_b, bins): natural logarithms of magnitudes in
    bands evenly spaced in mel.

    Args:
        order: coefficients that count, from the first.
        align: "frames" compares frame t with frame t and takes equal lengths; "warped" compares along the path of
            least cost, which distances of different alignment must not be compared with.

    Raises: ValueError for empty or non-finite input, different bands, or "frames" with different lengths.

    >>> tone = torch.zeros(4, 20)
    >>> mel_cepstral_distance(tone, tone + 1.0).decibels
    0.0
    """
    for name, values in (("log_magnitudes_a", log_magnitudes_a), ("log_magnitudes_b", log_magnitudes_b)):
        require_rows(name, values, 2)
        require_finite(name, values)
    require_same_width("log_magnitudes_a", log_magnitudes_a, "log_magnitudes_b", log_magnitudes_b)
    frames_a, frames_b = len(log_magnitudes_a), len(log_magnitudes_b)
    # Loudness is taken off before the cosines, so that not even its rounding is left.
    quiet = [values.double() - values.double().mean(1, keepdim=True) for values in (log_magnitudes_a, log_magnitudes_b)]
    a, b = (mel_cepstrum(values, order)[:, 1:] for values in quiet)
    if align == "frames":
        if frames_a != frames_b:
            raise ValueError(
                f"{frames_a} and {frames_b} frames cannot be compared one by one; cut them to one length, or take "
                "align='warped'."
            )
        apart = (a - b).square().sum(1).sqrt()
    else:
        costs = _distances(a, b)
        path = warping_path(costs)
        apart = costs[path[:, 0], path[:, 1]]
    decibels = DECIBELS / math.sqrt(2.0) * float(apart.mean())
    return CepstralDistance(decibels, len(apart), frames_a / frames_b)


def warping_path(costs: Float[Tensor, "frames_a frames_b"]) -> Int64[Tensor, "pairs 2"]:
    """The path from the first to the last pair of frames whose summed cost is least (Sakoe and Chiba 1978).

    Steps go one on in either recording or in both, all at the same price; a tie goes to the step in both.

    Shape: costs (frames_a, frames_b), finite; result (pairs, 2), rising.

    Raises: ValueError for empty or non-finite costs.

    >>> warping_path(torch.tensor([[0.0, 0.0, 9.0], [9.0, 9.0, 0.0]])).tolist()
    [[0, 0], [0, 1], [1, 2]]
    """
    require_rows("costs", costs, 2)
    require_finite("costs", costs)
    total = _summed_costs(costs.double().cpu().numpy())
    a, b = (size - 1 for size in costs.shape)
    path = [(a, b)]
    while a or b:
        steps = [(a - 1, b - 1), (a - 1, b), (a, b - 1)]
        a, b = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        path.append((a, b))
    return torch.tensor(path[::-1], dtype=torch.int64)


def _summed_costs(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Least summed cost of a path to every pair; all pairs of one anti-diagonal at once."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        a = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        b = diagonal - a
        before = np.minimum(total[a, b], np.minimum(total[a, b + 1], total[a + 1, b]))
        total[a + 1, b + 1] = costs[a, b] + before
    return total[1:, 1:]


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # By differences and not by products, which cost digits where frames are nearly equal.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").cpu()
