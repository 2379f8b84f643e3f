"""What every front end returns, and the module that computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn


class SpeechFeatures(NamedTuple):
    """Frames of a minibatch.

    Shape:
        values: [batch, frames, bins]; zero where `mask` is false.
        mask: [batch, frames]; true = frame of the utterance.
    """

    values: Float[Tensor, "batch frames bins"]
    mask: Bool[Tensor, "batch frames"]


class FrontEndModule(nn.Module, ABC):
    """Computes the features of waveforms, each as if it were alone."""

    @abstractmethod
    def forward(self, samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"], /) -> SpeechFeatures:
        """Features of padded waveforms.

        Shape:
            samples: [batch, samples] amplitudes from -1 to 1; whatever stands behind an utterance is not looked at.
            lengths: [batch] samples of every utterance.
        """
