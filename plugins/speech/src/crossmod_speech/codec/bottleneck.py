"""Latent frames to codes and back: fewer frames if wanted, then groups of residual factorised codebooks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.objectives.local.residual_quantiser import GroupedQuantiser
from crossmod.objectives.local.vector_quantiser import VectorQuantiser


class Coded(NamedTuple):
    """What the bottleneck makes of latent frames.

    Args:
        values: What the generator reads, with the gradient of the latents (straight-through).
        codes: Which codes; group by group, stage by stage.
        mask: Which codes are of the utterance; true = real.
        commitment: Mean squared distance of projections to their stopped codes.
    """

    values: Float[Tensor, "batch frames width"]
    codes: Int64[Tensor, "batch steps codebooks"]
    mask: Bool[Tensor, "batch steps"]
    commitment: Float[Tensor, ""]


class Bottleneck(nn.Module):
    """Strided convolution, `GroupedQuantiser`, transposed convolution (GRFVQ, arXiv:2505.17426).

    Args:
        width: Width of the latent frames.
        quantiser: Of that width.
        downsampling: Frames that share their codes. (1 in DistilCodec's student.)
    """

    def __init__(self, width: int, quantiser: GroupedQuantiser, downsampling: int = 1) -> None:
        super().__init__()
        self.quantiser, self.downsampling = quantiser, downsampling
        self.shorten = nn.Conv1d(width, width, downsampling, downsampling) if downsampling > 1 else None
        self.lengthen = nn.ConvTranspose1d(width, width, downsampling, downsampling) if downsampling > 1 else None

    @property
    def started(self) -> bool:
        """Whether its codebooks have learned from a batch."""
        return all(bool(each.started) for each in self._quantisers())

    @property
    def codebooks(self) -> list[Float[Tensor, "codes code_width"]]:
        """The vectors of the codes, group by group, stage by stage."""
        return [each.codebook for each in self._quantisers()]

    def forward(self, latents: Float[Tensor, "batch frames width"], mask: Bool[Tensor, "batch frames"]) -> Coded:
        """Quantise; as many frames come out as went in.

        Shape:
            latents: [batch, frames, width]; mask: [batch, frames], true = frame of the utterance.
        """
        steps, real = self._shortened(latents, mask)
        found = self.quantiser(steps, real)
        values = self._lengthened(found.values)[:, : latents.shape[1]]
        return Coded(values.masked_fill(~mask[..., None], 0.0), found.codes, real, found.commitment)

    def look_up(self, codes: Int64[Tensor, "batch steps codebooks"]) -> Float[Tensor, "batch frames width"]:
        """The values of codes, as `forward` returned them.

        Shape:
            codes: [batch, steps, codebooks] -> [batch, steps * downsampling, width].
        """
        return self._lengthened(self.quantiser.look_up(codes))

    @torch.no_grad()
    def update(self, latents: Float[Tensor, "batch frames width"], mask: Bool[Tensor, "batch frames"]) -> None:
        """Move the codebooks towards a batch; once a training step, on every process."""
        steps, real = self._shortened(latents, mask)
        self.quantiser.update(steps, real)

    def _quantisers(self) -> list[VectorQuantiser]:
        return [each for each in self.quantiser.modules() if isinstance(each, VectorQuantiser)]

    def _shortened(self, latents: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if self.shorten is None:
            return latents, mask
        missing = -latents.shape[1] % self.downsampling
        padded = functional.pad(latents.masked_fill(~mask[..., None], 0.0), (0, 0, 0, missing))
        real = functional.pad(mask, (0, missing)).view(len(mask), -1, self.downsampling).any(2)
        return self.shorten(padded.transpose(1, 2)).transpose(1, 2), real

    def _lengthened(self, values: Tensor) -> Tensor:
        if self.lengthen is None:
            return values
        longer: Tensor = self.lengthen(values.transpose(1, 2)).transpose(1, 2)
        return longer
