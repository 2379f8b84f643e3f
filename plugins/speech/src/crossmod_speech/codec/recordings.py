"""Pairs of waveforms as WAV files, for people who want to hear what was measured."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from crossmod.runs.atomic import write_bytes

Waveform = Float[Tensor, "samples"]


def write_pairs(
    folder: Path, kinds: tuple[str, str], pairs: Sequence[tuple[Waveform, Waveform]], sample_rate: int
) -> None:
    """Write `000-KIND.wav` and so on, 16 bits, each atomically; what is beyond full scale is clipped.

    Args:
        folder: Made where it is missing.
        kinds: What the first and the second of every pair are.
        pairs: Amplitudes from -1 to 1.
        sample_rate: Samples a second.
    """
    import soundfile

    for number, pair in enumerate(pairs):
        for kind, waveform in zip(kinds, pair, strict=True):
            content = io.BytesIO()
            soundfile.write(content, waveform.clamp(-1, 1).numpy(), sample_rate, format="WAV", subtype="PCM_16")
            write_bytes(folder / f"{number:03d}-{kind}.wav", content.getvalue())
