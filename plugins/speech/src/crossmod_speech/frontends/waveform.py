"""The waveform itself as features."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_speech.frontends.features import FrontEndModule, SpeechFeatures
from crossmod_speech.frontends.lengths import first_places, own_lengths
from crossmod_speech.frontends.settings import RawWaveform

VARIANCE_OFFSET = 1e-7
"""Of wav2vec2's normalisation, as transformers' Wav2Vec2FeatureExtractor has it."""


@final
class RawWaveformModule(FrontEndModule):
    """Amplitudes, a frame of one number a sample.

    Args:
        settings: Whether utterances are normalised.
    """

    def __init__(self, settings: RawWaveform) -> None:
        super().__init__()
        self.settings = settings

    @torch.no_grad()
    def forward(self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"], /) -> SpeechFeatures:
        """The amplitudes, zero behind an utterance.

        Shape:
            samples: [batch, samples] amplitudes from -1 to 1; whatever stands behind an utterance is not looked at.
            lengths: [batch] samples of every utterance.

        Raises:
            ValueError: A length is below 0 or above what is there.
        """
        mask = first_places(own_lengths(samples, lengths), samples.shape[1], samples.device)
        values = samples.detach().float().masked_fill(~mask, 0.0)
        if self.settings.normalised:
            counts = lengths[:, None].clamp_min(1)
            values = (values - values.sum(1, keepdim=True) / counts).masked_fill_(~mask, 0.0)
            values /= (values.square().sum(1, keepdim=True) / counts + VARIANCE_OFFSET).sqrt()
        return SpeechFeatures(values[..., None], mask)
