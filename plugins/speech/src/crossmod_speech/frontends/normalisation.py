"""What is done with log energies before an encoder reads them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod_speech.frontends.settings import LogMel

SMALLEST_DEVIATION = 1e-3
"""A bin that varies less over an utterance holds rounding, as in digital silence, and is not blown up."""


def normalised(
    logs: Float[Tensor, "batch frames bins"], counted: Bool[Tensor, "batch frames"], settings: LogMel
) -> Float[Tensor, "batch frames bins"]:
    """The step `settings.after`, in place.

    Shape:
        logs: [batch, frames, bins].
        counted: [batch, frames]; true = the frame counts in the statistics of its utterance.
        returns: [batch, frames, bins]; of any value where no frame counts.
    """
    if settings.after == "none" or not logs.numel():
        return logs
    if settings.after == "global":
        return logs.sub_(logs.new_tensor(settings.mean)).div_(logs.new_tensor(settings.std))
    if settings.after == "whisper":
        greatest = logs.masked_fill(~counted[..., None], -torch.inf).amax((1, 2), keepdim=True)
        return torch.maximum(logs, greatest - 8.0, out=logs).add_(4.0).div_(4.0)
    outside = ~counted[..., None]
    counts = counted.sum(1).clamp_min(1)[:, None, None]
    mean = logs.masked_fill(outside, 0.0).sum(1, keepdim=True) / counts
    logs.sub_(mean)
    variance = logs.masked_fill(outside, 0.0).square_().sum(1, keepdim=True) / counts
    return logs.div_(variance.sqrt_().clamp_min_(SMALLEST_DEVIATION))
