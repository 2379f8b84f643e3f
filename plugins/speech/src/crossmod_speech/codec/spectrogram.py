"""The codec's spectrogram with a gradient, at several resolutions, and the way back to samples.

`frontends` computes features of data and stops gradients, so that its blocks can reuse their memory; what a loss
compares is computed here, with the same frames, window and bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.errors import UserError
from crossmod_speech.frontends.bands import band_weights
from crossmod_speech.frontends.framing import analysis_window, extended, reach_of
from crossmod_speech.frontends.settings import LogMel


def require_invertible(front_end: LogMel) -> None:
    """Refuse a spectrogram whose frames do not tile samples, or that is not of plain natural logarithms.

    Raises:
        UserError: It is one.
    """
    wanted = {"framing": "padded", "power": 1, "log": "natural", "after": "none", "drop_last": False}
    wanted |= {"whole_seconds": 0.0, "pre_emphasis": 0.0, "remove_offset": False, "amplitude_scale": 1.0}
    for name, value in wanted.items():
        if getattr(front_end, name) != value:
            raise UserError(
                f"the codec's front_end has {name} {getattr(front_end, name)!r}, and samples are rebuilt from "
                f"{value!r}; take DistilCodecLogMel, and change its rate, bins or lengths."
            )


class DifferentiableLogMel(nn.Module):
    """Log-mel spectrograms of whole rows of samples, with their gradient.

    Args:
        settings: As `require_invertible` wants them.
    """

    window: Tensor
    weights: Tensor

    def __init__(self, settings: LogMel) -> None:
        super().__init__()
        require_invertible(settings)
        self.settings = settings
        self.register_buffer("window", analysis_window(settings), persistent=False)
        self.register_buffer("weights", torch.from_numpy(band_weights(settings)).float(), persistent=False)

    def forward(self, samples: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bins"]:
        """Natural logarithms of magnitudes in bands.

        Shape:
            samples: [batch, samples] -> [batch, samples // hop, bins].
        """
        with torch.autocast(samples.device.type, enabled=False):
            parts = torch.view_as_real(self.spectrum(samples.float()))
            magnitude = (parts.square().sum(-1) + self.settings.magnitude_offset).sqrt()
            logs: Tensor = (magnitude @ self.weights.T).clamp(min=self.settings.floor).log()
            return logs

    def spectrum(self, samples: Float[Tensor, "batch samples"]) -> Tensor:
        """Complex spectra of the windowed frames: [batch, frames, n_fft / 2 + 1]."""
        settings = self.settings
        count = samples.shape[1]
        signal = extended(samples, [count] * len(samples), settings)
        frames = signal.unfold(1, settings.window_length, settings.hop_length)[:, : settings.frames(count)]
        spectrum: Tensor = torch.fft.rfft(frames * self.window, settings.n_fft)
        return spectrum

    def overlap(self, spectrum: Tensor) -> Float[Tensor, "batch samples"]:
        """The samples whose spectra come nearest (Griffin and Lim 1984): windowed frames over the sum of the windows.

        Shape:
            spectrum: [batch, frames, n_fft / 2 + 1] -> [batch, frames * hop].
        """
        settings = self.settings
        frames = torch.fft.irfft(spectrum, settings.n_fft)[..., : settings.window_length] * self.window
        count, left = frames.shape[1] * settings.hop_length, reach_of(settings).left
        width = (frames.shape[1] - 1) * settings.hop_length + settings.window_length

        def added(parts: Tensor) -> Tensor:
            columns = parts.transpose(1, 2)
            folded = functional.fold(columns, (1, width), (1, settings.window_length), stride=(1, settings.hop_length))
            return folded[:, 0, 0, left : left + count]

        weight = added(self.window.square().expand(1, frames.shape[1], -1))
        return added(frames) / weight.clamp(min=1e-8)


def resolutions(front_end: LogMel, factors: Sequence[float]) -> list[LogMel]:
    """The same spectrogram with transforms, windows, hops and bands of other sizes."""
    return [
        replace(
            front_end,
            n_fft=int(front_end.n_fft * factor),
            window_length=int(front_end.window_length * factor),
            hop_length=int(front_end.hop_length * factor),
            bins=max(1, int(front_end.bins * factor)),
        )
        for factor in factors
    ]


@torch.no_grad()
def griffin_lim(
    log_mel: Float[Tensor, "frames bins"], settings: LogMel, *, rounds: int = 32, momentum: float = 0.99, seed: int = 0
) -> Float[Tensor, "samples"]:
    """Samples of a log-mel spectrogram: lines by the bands' pseudo-inverse, phases found by turns of both transforms.

    Griffin and Lim 1984, with the momentum of Perraudin et al. 2013. It knows no codes and no training.

    Shape:
        log_mel: [frames, bins] -> [frames * hop].

    Args:
        settings: Of the spectrogram; see `require_invertible`.
        rounds: Turns.
        momentum: Share of the last change that is added again.
        seed: Of the first phases.
    """
    transform = DifferentiableLogMel(settings)
    lines = torch.linalg.pinv(transform.weights.double()).float()
    magnitude = (log_mel.float().exp() @ lines.T).clamp(min=0)[None]
    phase = 2 * torch.pi * torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed))
    guess, before = torch.polar(magnitude, phase), torch.zeros_like(magnitude, dtype=torch.complex64)
    for _ in range(rounds):
        found = transform.spectrum(transform.overlap(guess))
        ahead = found + momentum * (found - before)
        guess, before = magnitude * ahead / ahead.abs().clamp(min=1e-8), found
    return transform.overlap(guess)[0]
