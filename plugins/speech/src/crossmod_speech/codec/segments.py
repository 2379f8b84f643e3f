"""Parts of utterances that the codec trains on: all of one length, drawn anew at every step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_speech.waveforms import FULL_SCALE, WaveformInputs


def draw_segments(
    inputs: WaveformInputs, samples: int, generator: torch.Generator | None = None
) -> Float[Tensor, "utterances samples"]:
    """One segment an utterance, anywhere in it; silence stands behind utterances that are shorter.

    Args:
        inputs: The utterances.
        samples: Length of a segment.
        generator: Draws where it begins; None takes torch's own.

    Shape:
        returns: [utterances, samples] amplitudes from -1 to 1.
    """
    room = (inputs.lengths - samples).clamp(min=0)
    drawn = torch.rand(len(inputs), generator=generator).to(room.device)
    start = torch.minimum((drawn * (room + 1)).long(), room)
    out = torch.zeros(len(inputs), samples, device=inputs.samples.device)
    places = zip(inputs.offsets.tolist(), inputs.lengths.tolist(), start.tolist(), strict=False)
    for row, (begin, length, skipped) in enumerate(places):
        part = inputs.samples[begin + skipped : begin + min(length, skipped + samples)]
        out[row, : len(part)] = part
    return out.div_(FULL_SCALE)
