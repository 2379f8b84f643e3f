"""Cepstra with their differences at the encoder's frames: what HuBERT's first clusters are of (arXiv:2106.07447)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod_metrics.cepstral import mel_cepstrum
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.frontends.settings import KaldiFilterBank

HOP = 160
FRAMES_APART = 2
"""Frames of 10 ms from one target to the next: 50 targets a second."""
REACH = 2
"""Frames on each side that a difference is fitted to."""


def differences(
    values: Float[Tensor, "batch frames bins"], counts: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch frames bins"]:
    """Slope over five frames: sum_n n (x_(t+n) - x_(t-n)) / 10, n = 1, 2; first and last frames are repeated.

    Shape:
        values: [batch, frames, bins]; counts: [batch], frames of every utterance.
        returns: [batch, frames, bins]; of any value behind an utterance.
    """
    place = torch.arange(values.shape[1], device=values.device)
    last = (counts - 1).clamp(min=0)[:, None]
    slope = torch.zeros_like(values)
    for step in range(1, REACH + 1):
        after = torch.minimum(place + step, last)[..., None].expand_as(values)
        before = torch.minimum((place - step).clamp(min=0), last)[..., None].expand_as(values)
        slope += step * (values.gather(1, after) - values.gather(1, before))
    return slope / (2 * sum(step**2 for step in range(1, REACH + 1)))


class Cepstra(nn.Module):
    """Cepstral coefficients of frames of 25 ms every 20 ms, and their first and second differences over 10 ms.

    Target j is of the samples 320 j to 320 j + 400, which are what frame j of the encoder sees.

    Args:
        coefficients: How many, from the zeroth; at least 2.
        bins: Bands of the filter bank.
        centred: Take each utterance's mean off.
    """

    def __init__(self, coefficients: int = 13, bins: int = 23, *, centred: bool = True) -> None:
        super().__init__()
        self.front_end = KaldiFilterBank(bins=bins, hop_length=HOP, after="none").build()
        self.coefficients, self.centred = coefficients, centred

    @property
    def width(self) -> int:
        """Numbers a frame."""
        return 3 * self.coefficients

    @torch.no_grad()
    def forward(self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]) -> SpeechFeatures:
        """Cepstra of padded waveforms.

        Shape:
            samples: [batch, samples] amplitudes from -1 to 1; lengths: [batch].
        """
        logs, mask = self.front_end(samples, lengths)
        counts = mask.sum(1)
        # Half the logarithm of the power is that of the magnitude.
        plain = mel_cepstrum(logs / 2, self.coefficients - 1).float()
        if self.centred:
            plain = plain - _mean_over_time(plain, mask)
        slope = differences(plain, counts)
        whole = torch.cat([plain, slope, differences(slope, counts)], -1)
        kept = mask[:, ::FRAMES_APART]
        return SpeechFeatures(whole[:, ::FRAMES_APART].masked_fill(~kept[..., None], 0.0), kept)


def _mean_over_time(values: Tensor, mask: Bool[Tensor, "batch frames"]) -> Tensor:
    total = values.masked_fill(~mask[..., None], 0.0).sum(1, keepdim=True)
    return total / mask.sum(1).clamp(min=1)[:, None, None]
