"""Texts to spectrograms, frame after frame of what was said before."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.text.byte_pair import PADDING
from crossmod.text.inputs import TextInputs
from crossmod_speech.speecht5.decoding_steps import DecodingSteps
from crossmod_speech.speecht5.text_tower import SpeechT5TextTower
from crossmod_speech.speecht5.tower import SpeechT5Tower, States


class Said(NamedTuple):
    """Spectrograms of texts.

    Shape:
        frames: [batch, frames, bins] log10 magnitudes; zero where `mask` is false.
        mask: [batch, frames]; true = frame before or at the stop.
        stopped: [batch]; false where the speech was cut at its longest.
    """

    frames: Float[Tensor, "batch frames bins"]
    mask: Bool[Tensor, "batch frames"]
    stopped: Bool[Tensor, "batch"]


def read_texts(tower: SpeechT5Tower, texts: SpeechT5TextTower, inputs: TextInputs) -> States:
    """What the shared encoder makes of texts."""
    ids, mask = inputs.padded(PADDING)
    return tower.encode(texts.read(ids), mask)


@torch.no_grad()
def say(
    tower: SpeechT5Tower,
    states: States,
    voice: Float[Tensor, "batch voice"],
    *,
    longest_frames: int = 600,
    threshold: float = 0.5,
) -> Said:
    """Speak what the encoder's states say, each row until it says that it stops; the tower in evaluation mode.

    The decoder's pre-net keeps its dropout, so that seeds decide what is said.

    Args:
        tower: Encoder and decoder.
        states: Of texts, or of utterances whose words another voice is to say.
        voice: The vector of the voice of every row.
        longest_frames: Most frames of a row.
        threshold: Probability of the stop from which a frame is the last.
    """
    net, batch = tower.write_frames, len(states.values)
    device = states.values.device
    steps = max(1, longest_frames // net.reduction)
    decode, rows = DecodingSteps(tower.decoder, *states), torch.arange(batch, device=device)
    heard = torch.zeros(batch, 1, net.bins, device=device)
    frames: list[Tensor] = []
    # Frames up to and with the first that stops; a row that never does has all of them.
    counts = torch.full((batch,), steps * net.reduction, device=device)
    stopped = torch.zeros(batch, dtype=torch.bool, device=device)
    for step in range(steps):
        decoded = decode(tower.read_frames(heard, voice, step)[:, 0], rows)[:, None]
        frames.append(net.frames(decoded).unflatten(-1, (net.reduction, net.bins)).flatten(1, 2))
        ends = net.stop(decoded)[:, 0].sigmoid() > threshold
        now = ends.any(1) & ~stopped
        counts = torch.where(now, step * net.reduction + ends.int().argmax(1) + 1, counts)
        stopped |= now
        if bool(stopped.all()):
            break
        heard = frames[-1][:, -1:]
    before = torch.cat(frames, 1)
    mask = torch.arange(before.shape[1], device=device) < counts[:, None]
    after = tower.log_magnitudes(before + net.residual(before, mask))
    return Said(after.masked_fill(~mask[..., None], 0.0), mask, stopped)
