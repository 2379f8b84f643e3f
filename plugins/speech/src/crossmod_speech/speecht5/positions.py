"""Where a token stands: fixed waves, scaled by a learned factor, and convolutions that see neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from crossmod.objectives.local.patches import sinusoidal_positions


def waves(tokens: Float[Tensor, "batch length width"], first: int = 0) -> Float[Tensor, "length width"]:
    """Sines and cosines of the places of tokens, of which the first stands at `first`."""
    place = torch.arange(first, first + tokens.shape[1], device=tokens.device, dtype=torch.float32)[:, None]
    return sinusoidal_positions(place, tokens.shape[2]).to(tokens.dtype)


class ScaledPositions(nn.Module):
    """tokens + alpha * waves, alpha learned from 1 (Transformer TTS, arXiv:1809.08895)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(()))

    def forward(
        self, tokens: Float[Tensor, "batch length width"], first: int = 0
    ) -> Float[Tensor, "batch length width"]:
        """Place the tokens, of which the first stands at `first`."""
        placed: Tensor = tokens + self.alpha * waves(tokens, first)
        return placed


class ConvolutionalPositions(nn.Module):
    """tokens + GELU(grouped convolution of them), its weights normalised at every tap (wav2vec 2.0).

    Args:
        width: Of the tokens; the groups divide it.
        kernel: Tokens that it sees (128 as published: 2.5 seconds).
        groups: Groups of channels (16).
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.kernel = kernel
        layer = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        nn.init.normal_(layer.weight, std=(4.0 / (kernel * width)) ** 0.5)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        self.layer = weight_norm(layer, dim=2)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Place the tokens; those where `mask` is false are zeros to their neighbours.

        Shape:
            mask: [batch, length]; true = real token.
        """
        real = tokens.masked_fill(~mask[..., None], 0.0).transpose(1, 2)
        seen = self.layer(real)[..., : tokens.shape[1]]  # an even kernel gives one token too many
        placed: Tensor = tokens + functional.gelu(seen).transpose(1, 2)
        return placed
