"""A vector of a voice: where the paper has x-vectors of a trained recogniser, the statistics of a spectrogram."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_speech.frontends.features import SpeechFeatures


def voice_of(spectrogram: SpeechFeatures) -> Float[Tensor, "batch twice_bins"]:
    """Mean and deviation of every band over an utterance's frames: an x-vector's pooling without its networks [ours].

    A mean over time keeps little of what is said and much of who says it, but not nothing of a single word: a voice
    is best taken of another recording than the one that is spoken.

    Shape:
        returns: [batch, 2 bins].
    """
    real = spectrogram.mask[..., None]
    count = real.sum(1).clamp(min=1)
    mean = spectrogram.values.masked_fill(~real, 0.0).sum(1) / count
    centred = (spectrogram.values - mean[:, None]).masked_fill(~real, 0.0)
    return torch.cat([mean, (centred.square().sum(1) / count).sqrt()], 1)
