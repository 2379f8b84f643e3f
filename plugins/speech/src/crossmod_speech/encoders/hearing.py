"""What an encoder hears of utterances: the features of its front end, changed a little while it trains."""

from __future__ import annotations

import torch
from torch import nn

from crossmod_speech.encoders.augmentation import SpeechAugmenter
from crossmod_speech.frontends.features import FrontEndModule, SpeechFeatures
from crossmod_speech.frontends.log_mel import LogMelModule
from crossmod_speech.waveforms import WaveformInputs


class Hearing(nn.Module):
    """A front end, between the changes of waveforms and those of features.

    Args:
        front_end: Computes the features, in float32 under any autocast, as logarithms of energies need it.
        augmentation: What is changed in training; None leaves everything as it is.
        whole: Give the features of silence behind an utterance too, up to the front end's `whole_seconds`.
    """

    def __init__(
        self, front_end: FrontEndModule, augmentation: SpeechAugmenter | None = None, *, whole: bool = False
    ) -> None:
        super().__init__()
        self.front_end, self.augmentation, self.whole = front_end, augmentation, whole

    def forward(self, inputs: WaveformInputs, /) -> SpeechFeatures:
        """Features of utterances."""
        samples, lengths = inputs.padded(), inputs.lengths
        changed = self.augmentation if self.training else None
        if changed is not None:
            samples, lengths = changed.waveforms(samples, lengths)
        with torch.autocast(samples.device.type, enabled=False):
            if self.whole:
                assert isinstance(self.front_end, LogMelModule)
                features = self.front_end.whole(samples, lengths)
            else:
                features = self.front_end(samples, lengths)
        return features if changed is None else changed.features(features)
