"""The baseline of a transcript: what the training recording says whose spectrogram is most alike."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod_speech.speecht5.inputs import UtteranceInputs
from crossmod_speech.speecht5.tower import SpeechT5Tower

FRAMES = 24
"""Every utterance is brought to so many frames, so that quick and slow ones are compared moment by moment."""


@torch.no_grad()
def outlines(
    tower: SpeechT5Tower, inputs: UtteranceInputs, batch_size: int
) -> Float[Tensor, "utterances frames_times_bins"]:
    """Spectrograms of one length, the mean of every band taken off, normalised.

    Args:
        tower: For its spectrogram; none of its weights is used.
        inputs: The utterances.
        batch_size: Utterances at a time.
    """
    rows = []
    for start in range(0, len(inputs), batch_size):
        values, mask = tower.spectrogram(inputs.take(torch.arange(start, min(start + batch_size, len(inputs)))))
        for frames, real in zip(values, mask, strict=True):
            even = functional.interpolate(frames[real].T[None], size=FRAMES, mode="linear", align_corners=False)[0]
            rows.append(functional.normalize((even - even.mean(1, keepdim=True)).flatten(), dim=0))
    return torch.stack(rows)


def nearest(asked: Float[Tensor, "queries dim"], known: Float[Tensor, "candidates dim"]) -> Int64[Tensor, "queries"]:
    """The most alike of the known ones, for each that is asked."""
    return torch.cat([(part @ known.T).argmax(1) for part in torch.split(asked, 1024)])
