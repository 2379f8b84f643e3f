"""Noise, and mixing it into utterances at a given ratio of powers."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod_speech.readers.reasons import UnusableSpeech
from crossmod_speech.readers.recordings import read_speech
from crossmod_speech.sources import SpeechSource
from crossmod_speech.waveforms import FULL_SCALE

SUFFIXES = (".flac", ".mp3", ".ogg", ".opus", ".wav")

LONGEST_SECONDS = 60.0
"""What is kept of one recording of noise."""

BOX_SAMPLES = 1 << 16
"""Coloured noise repeats after so many samples (4 s at 16 kHz), which bounds the size of its transform."""


def coloured_noise(count: int, samples: int, exponent: float) -> Float[Tensor, "count samples"]:
    """Gaussian noise whose power falls as 1 / frequency^exponent: 0 is white, 1 pink.

    Shape:
        returns: [count, samples], of power 1.
    """
    if not exponent:
        return torch.randn(count, samples)
    size = min(BOX_SAMPLES, 1 << max(samples - 1, 1).bit_length())
    spectrum = torch.fft.rfft(torch.randn(count, size))
    falling = torch.arange(spectrum.shape[1], dtype=torch.float32).clamp(min=1) ** (-exponent / 2)
    falling[0] = 0.0
    noise: Tensor = torch.fft.irfft(spectrum * falling, n=size)
    noise = noise / noise.square().mean(1, keepdim=True).sqrt()
    return noise.repeat(1, -(-samples // size))[:, :samples]


def mixed(
    samples: Float[Tensor, "batch samples"],
    lengths: Int64[Tensor, "batch"],
    noise: Float[Tensor, "batch samples"],
    decibels: Float[Tensor, "batch"],
) -> Float[Tensor, "batch samples"]:
    """Each utterance plus noise of 10^(-decibels / 10) times its power, within its length; a silent one stays as it is.

    Shape:
        samples, noise: [batch, samples].
        decibels: [batch]; signal-to-noise ratios.
    """
    inside = torch.arange(samples.shape[1], device=samples.device) < lengths[:, None]
    noise = noise.masked_fill(~inside, 0.0)
    power, noise_power = (wave.square().sum(1, keepdim=True) for wave in (samples, noise))
    gain = (power / noise_power.clamp(min=1e-12)).sqrt() * 10 ** (-decibels[:, None] / 20)
    return samples + gain * noise


class RecordedNoise:
    """Recordings of noise, read when first drawn from: a finished model needs them no more.

    Args:
        folder: Recordings lie anywhere below it.
        sample_rate: Samples a second that they are brought to.
    """

    def __init__(self, folder: str, sample_rate: int) -> None:
        self.folder, self.sample_rate = Path(folder), sample_rate
        self._recordings: list[Tensor] = []

    def drawn(self, count: int, samples: int) -> Float[Tensor, "count samples"]:
        """Parts of recordings that begin anywhere; a recording that ends starts again.

        Raises:
            UserError: The folder holds no recording, or a broken one.
        """
        recordings = self._recordings = self._recordings or self._read()
        parts = []
        for number in torch.randint(len(recordings), (count,)).tolist():
            recording = recordings[number]
            start = int(torch.randint(len(recording), ()))
            place = torch.arange(start, start + samples) % len(recording)
            parts.append(recording[place].float() / FULL_SCALE)
        return torch.stack(parts)

    def _read(self) -> list[Tensor]:
        paths = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(
                f"noise_folder {self.folder} holds no recording ({', '.join(SUFFIXES)}); name a folder of noise, or "
                "leave it empty for computed noise."
            )
        recordings = []
        for path in paths:
            try:
                samples, _ = read_speech(SpeechSource(str(path)), self.sample_rate, LONGEST_SECONDS)
            except UnusableSpeech as reason:
                raise UserError(f"the noise {path} cannot be used: {reason}; remove it from noise_folder.") from None
            recordings.append(torch.from_numpy(samples))
        return recordings
