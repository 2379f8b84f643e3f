"""What tells recordings from the codec's: by period, by scale and by spectrum, each with its layers to match."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from crossmod_speech.codec.generator import SLOPE


class Judgement(NamedTuple):
    """What one discriminator says.

    Args:
        scores: Of places of the recordings; 1 is real.
        layers: What it saw on the way.
    """

    scores: Tensor
    layers: Sequence[Tensor]


class _Stack(nn.Module):
    """Convolutions with leaky rectifiers, and a last one to one score a place."""

    def __init__(self, convolutions: Sequence[nn.Module], last: nn.Module) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(weight_norm(each) for each in convolutions)
        self.last = weight_norm(last)

    def forward(self, x: Tensor) -> Judgement:
        layers = []
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), SLOPE)
            layers.append(x)
        return Judgement(self.last(x), layers)


class PeriodDiscriminator(nn.Module):
    """Sees every `period`-th sample (HiFi-GAN, arXiv:2010.05646).

    Args:
        period: Samples.
        channels: Of the first layer; the others have 2, 4 and 4 times as many. (32 in HiFi-GAN, growing to 1024.)
    """

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, channels, 2 * channels, 4 * channels]
        folded = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in pairwise(widths)]
        folded.append(nn.Conv2d(widths[-1], widths[-1], (5, 1), padding=(2, 0)))
        self.stack = _Stack(folded, nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, samples: Float[Tensor, "batch samples"]) -> Judgement:
        """Judge."""
        missing = -samples.shape[1] % self.period
        whole = functional.pad(samples[:, None], (0, missing), mode="reflect") if missing else samples[:, None]
        judged: Judgement = self.stack(whole.view(len(whole), 1, -1, self.period))
        return judged


class ScaleDiscriminator(nn.Module):
    """Sees means of `scale` samples (MelGAN, arXiv:1910.06711).

    Args:
        scale: A power of two.
        channels: As in `PeriodDiscriminator`.
    """

    def __init__(self, scale: int, channels: int) -> None:
        super().__init__()
        self.scale = scale
        grown = [nn.Conv1d(1, channels, 15, padding=7)]
        for factor in (1, 2):
            width = factor * channels
            grown.append(nn.Conv1d(width, 2 * width, 41, 4, padding=20, groups=4))
        grown.append(nn.Conv1d(4 * channels, 4 * channels, 5, padding=2))
        self.stack = _Stack(grown, nn.Conv1d(4 * channels, 1, 3, padding=1))

    def forward(self, samples: Float[Tensor, "batch samples"]) -> Judgement:
        """Judge."""
        pooled = samples[:, None]
        if self.scale > 1:
            pooled = functional.avg_pool1d(pooled, 2 * self.scale, self.scale, padding=self.scale // 2)
        judged: Judgement = self.stack(pooled)
        return judged


class SpectrumDiscriminator(nn.Module):
    """Sees a complex spectrogram as a picture of two colours (EnCodec, arXiv:2210.13438).

    Args:
        n_fft: Samples of a transform; a quarter of it is the hop.
        channels: Of all layers. (32 in EnCodec.)
    """

    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        seen = [nn.Conv2d(2, channels, (7, 3), padding=(3, 1))]
        seen += [
            nn.Conv2d(channels, channels, (5, 3), (2, 1), padding=(2, dilation), dilation=(1, dilation))
            for dilation in (1, 2, 4)
        ]
        self.stack = _Stack(seen, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, samples: Float[Tensor, "batch samples"]) -> Judgement:
        """Judge."""
        spectrum = torch.stft(
            samples, self.n_fft, self.n_fft // 4, window=self.window, normalized=True, return_complex=True
        )
        judged: Judgement = self.stack(torch.view_as_real(spectrum).permute(0, 3, 1, 2))
        return judged


class Discriminators(nn.Module):
    """All of them.

    Args:
        periods: Of the period discriminators. (5, 8, 13, 19, 30 in DistilCodec.)
        scales: Of the scale discriminators. (1, 2, 4 in MelGAN; DistilCodec's are not stated.)
        spectra: Transforms of the spectrum discriminators. (128 to 2048.)
        channels: See each of them.
    """

    def __init__(self, periods: Sequence[int], scales: Sequence[int], spectra: Sequence[int], channels: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, channels) for period in periods),
                *(ScaleDiscriminator(scale, channels) for scale in scales),
                *(SpectrumDiscriminator(n_fft, channels) for n_fft in spectra),
            ]
        )

    def forward(self, samples: Float[Tensor, "batch samples"]) -> list[Judgement]:
        """What each says of recordings."""
        return [each(samples) for each in self.each]
