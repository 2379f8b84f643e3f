"""Frames to logarithms of band energies, in blocks that stay in a processor's cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_speech.frontends.bands import band_weights
from crossmod_speech.frontends.framing import analysis_window
from crossmod_speech.frontends.settings import LogMel

BLOCK_SAMPLES = {"cpu": 3 << 16}
"""Numbers a block of frames holds at most: less than a megabyte on a processor, so that caches keep it."""

BLOCK_SAMPLES_ELSEWHERE = 1 << 23
"""On accelerators: enough frames to fill one, in some 150 MB."""


class BandLogs:
    """Computes the logarithms that `settings` describe, on one device, in float32.

    Every block passes through buffers that are made once a call. A line of the spectrum is part of two bands at most,
    so the sum over bands is a product with a sparse matrix, a tenth of the dense one's time.
    """

    def __init__(self, settings: LogMel, device: torch.device) -> None:
        self._settings = settings
        self._device = device
        self._window = analysis_window(settings).to(device)
        weights = torch.from_numpy(band_weights(settings)).float()
        self._weights = weights.to_sparse().coalesce().to(device)
        self.silence = self(torch.zeros(settings.window_length, device=device), 1)[0]

    def __call__(self, signal: Float[Tensor, "samples"], frames: int) -> Float[Tensor, "frames bins"]:
        """Log energies of the frames that begin at every hop.

        Shape:
            signal: [samples], at least (frames - 1) hops and a window.
            returns: [frames, bins].
        """
        settings = self._settings
        windows = signal.unfold(0, settings.window_length, settings.hop_length)[:frames]
        logs = signal.new_empty(frames, settings.bins)
        buffers = Buffers.of(settings, frames, self._device)
        # Reduced precision would be lost in the logarithm, and a spectrum overflows float16.
        with torch.autocast(self._device.type, enabled=False):
            for start in range(0, frames, buffers.frames):
                block = windows[start : start + buffers.frames]
                if len(block) < buffers.frames:
                    buffers = buffers.first(len(block))
                self._block(block, buffers)
                logs[start : start + len(block)] = buffers.bands.t()
        return logs

    def _block(self, windows: Float[Tensor, "frames window_length"], buffers: Buffers) -> None:
        settings = self._settings
        self._weigh(windows, buffers.windows)
        # With `out` torch would compute elsewhere and copy.
        parts = torch.view_as_real(torch.fft.rfft(buffers.windows)).square_()
        power = torch.add(parts[..., 0].t(), parts[..., 1].t(), out=buffers.power)
        if settings.magnitude_offset:
            power.add_(settings.magnitude_offset)
        if settings.power == 1:
            power.sqrt_()
        bands = torch.addmm(buffers.bands, self._weights, power, beta=0, out=buffers.bands).clamp_min_(settings.floor)
        if settings.log == "natural":
            bands.log_()
        else:
            bands.log10_()
        if settings.log == "decibel":
            bands.mul_(20.0 / settings.power)

    def _weigh(self, windows: Float[Tensor, "frames window_length"], out: Float[Tensor, "frames n_fft"]) -> None:
        settings = self._settings
        weighed = out[:, : settings.window_length]
        if settings.remove_offset:
            windows = windows - windows.mean(1, keepdim=True)
        if settings.pre_emphasis:
            torch.sub(windows[:, 1:], windows[:, :-1], alpha=settings.pre_emphasis, out=weighed[:, 1:])
            torch.mul(windows[:, :1], 1 - settings.pre_emphasis, out=weighed[:, :1])
            weighed.mul_(self._window)
        else:
            torch.mul(windows, self._window, out=weighed)


@dataclass(frozen=True, eq=False)
class Buffers:
    """Memory that every block of frames passes through.

    Shape:
        windows: [frames, n_fft]; zeros behind the window.
        power: [n_fft / 2 + 1, frames].
        bands: [bins, frames].
    """

    windows: Tensor
    power: Tensor
    bands: Tensor

    @classmethod
    def of(cls, settings: LogMel, frames: int, device: torch.device) -> Buffers:
        """Buffers of a block, or of all frames where they are fewer."""
        size = BLOCK_SAMPLES.get(device.type, BLOCK_SAMPLES_ELSEWHERE)
        blocks = max(-(-frames * settings.n_fft // size), 1)
        block = max(-(-frames // blocks), 1)
        lines = settings.n_fft // 2 + 1
        return cls(
            windows=torch.zeros(block, settings.n_fft, device=device),
            power=torch.empty(lines, block, device=device),
            bands=torch.empty(settings.bins, block, device=device),
        )

    @property
    def frames(self) -> int:
        """Frames of a block."""
        return len(self.windows)

    def first(self, frames: int) -> Buffers:
        """Buffers of the last, smaller block."""
        power = self.power.view(-1)[: self.power.shape[0] * frames].view(-1, frames)
        bands = self.bands.view(-1)[: self.bands.shape[0] * frames].view(-1, frames)
        return Buffers(self.windows[:frames], power, bands)
