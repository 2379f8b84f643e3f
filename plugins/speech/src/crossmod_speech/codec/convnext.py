"""The codec's encoder: ConvNeXt V2 (arXiv:2301.00808) over time, which keeps the rate of the frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

CENTRE, SCALE = -6.0, 3.0
"""Natural logarithms of magnitudes run from the floor, -11.5, to about 1: brought to deviation 1 around 0 [ours].

Without it all frames enter with one large offset in common, and come out nearly equal for hundreds of steps.
"""


class ResponseNorm(nn.Module):
    """Global response normalisation: x + beta + gamma x n, n = each channel's norm over time / the channels' mean.

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(
        self, x: Float[Tensor, "batch frames width"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames width"]:
        """Normalise by the real frames.

        Shape:
            x: [batch, frames, width]; mask: [batch, frames], true = real.
        """
        # The root has no finite slope at 0, where a silent channel stands.
        norm = (x.square().masked_fill(~mask[..., None], 0.0).sum(1, keepdim=True) + 1e-12).sqrt()
        share = norm / (norm.mean(-1, keepdim=True) + 1e-6)
        return x + self.beta + self.gamma * x * share


class ConvNextBlock(nn.Module):
    """Depthwise convolution over time, norm, and a gated-by-response MLP, added to what came in.

    Args:
        width: Channels.
        kernel: Frames that the convolution sees; odd.
        drop_path: Probability of leaving the whole branch out for a sample, in training.
    """

    def __init__(self, width: int, kernel: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.response = ResponseNorm(4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(
        self, x: Float[Tensor, "batch frames width"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames width"]:
        """Transform frames; those behind an utterance are zero before and after."""
        mixed = self.mix(x.transpose(1, 2)).transpose(1, 2)
        branch = self.narrow(self.response(functional.gelu(self.widen(self.norm(mixed))), mask))
        if self.training and self.drop_path:
            kept = torch.rand(len(x), 1, 1, device=x.device) >= self.drop_path
            branch = branch * kept / (1 - self.drop_path)
        mixed_in: Tensor = x + branch
        return mixed_in.masked_fill(~mask[..., None], 0.0)


class ConvNextEncoder(nn.Module):
    """Frames of a spectrogram to latent frames, one for one; padding has no part in any of them.

    Args:
        bins: Numbers of a frame of the spectrogram.
        widths: Channels of each stage. (256, 512, 768 and 1024 in DistilCodec.)
        depths: Blocks of each stage. (3, 3, 9 and 3.)
        kernel: Frames that each convolution sees; odd. (7.)
        drop_path: Greatest probability of leaving out a branch, which the last block has; the first has 0. (0.2.)
    """

    def __init__(
        self, bins: int, widths: Sequence[int], depths: Sequence[int], *, kernel: int = 7, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.stem = nn.Conv1d(bins, widths[0], kernel, padding=kernel // 2)
        self.norm = nn.LayerNorm(widths[0])
        rates = torch.linspace(0, drop_path, sum(depths)).tolist()
        stages, changes, place = [], [], 0
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            before = widths[max(stage - 1, 0)]
            changes.append(nn.Sequential(nn.LayerNorm(before), nn.Linear(before, width)) if stage else nn.Identity())
            own = rates[place : place + depth]
            stages.append(nn.ModuleList(ConvNextBlock(width, kernel, rate) for rate in own))
            place += depth
        self.changes, self.stages = nn.ModuleList(changes), nn.ModuleList(stages)
        self.last_norm = nn.LayerNorm(widths[-1])

    def forward(
        self, frames: Float[Tensor, "batch frames bins"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames width"]:
        """Encode.

        Shape:
            frames: [batch, frames, bins]; mask: [batch, frames], true = frame of the utterance.
        """
        behind = ~mask[..., None]
        spread = ((frames - CENTRE) / SCALE).masked_fill(behind, 0.0)
        x = self.stem(spread.transpose(1, 2)).transpose(1, 2)
        x = self.norm(x).masked_fill(behind, 0.0)
        for change, stage in zip(self.changes, self.stages, strict=True):
            assert isinstance(stage, nn.ModuleList)
            x = change(x).masked_fill(behind, 0.0)
            for block in stage:
                x = block(x, mask)
        encoded: Tensor = self.last_norm(x)
        return encoded.masked_fill(behind, 0.0)
