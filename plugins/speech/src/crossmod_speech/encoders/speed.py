"""Waveforms played faster or slower: band-limited interpolation as one strided convolution."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

LOBES = 16
"""Zero crossings of the interpolating sinc on each side."""

ROLL_OFF = 0.95
"""The pass band, as a share of the lower of the two Nyquist frequencies."""


def at_speed(
    samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"], speed: float
) -> tuple[Float[Tensor, "batch longest"], Int64[Tensor, "batch"]]:
    """y(t) = x(speed * t) at the same sample rate: windowed-sinc interpolation, frequencies beyond Nyquist left out.

    The speed is taken as the nearest fraction with a denominator of at most 50.

    Shape:
        samples: [batch, samples]; zero behind each utterance.
        lengths: [batch] -> [batch], ceil(length / speed).
    """
    ratio = Fraction(speed).limit_denominator(50)
    if ratio == 1:
        return samples, lengths
    step, phases = ratio.numerator, ratio.denominator
    kernel = _kernel(step, phases).to(samples)
    before = (kernel.shape[1] - step) // 2
    count = -(-(samples.shape[1] * phases) // step)
    blocks = -(-count // phases)
    after = blocks * step + kernel.shape[1] - step - before - samples.shape[1]
    padded = functional.pad(samples, (before, after))
    played = functional.conv1d(padded[:, None], kernel[:, None], stride=step)[:, :, :blocks]
    counts = -(-(lengths * phases) // step)
    played = played.transpose(1, 2).flatten(1)[:, :count]
    # The sinc rings beyond an utterance's end, where nothing is to be.
    inside = torch.arange(count, device=samples.device) < counts[:, None]
    return played.masked_fill(~inside, 0.0), counts


@lru_cache(maxsize=32)
def _kernel(step: int, phases: int) -> Float[Tensor, "phases taps"]:
    """Row j interpolates at j * step / phases samples behind the block's first sample."""
    cut = ROLL_OFF * min(1.0, phases / step)
    reach = math.ceil(LOBES / cut)
    taps = torch.arange(-reach, step + reach, dtype=torch.float64)
    time = cut * (taps - torch.arange(phases, dtype=torch.float64)[:, None] * step / phases)
    window = (time.clamp(-LOBES, LOBES) * (math.pi / (2 * LOBES))).cos().square()
    return (cut * torch.sinc(time) * window).float()
