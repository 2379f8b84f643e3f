"""Keys that were searched for: a few tokens sampled from a video's features, which everything else then attends to."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.residual import FeedForward, Residual
from crossmod.fusion.volume_sampling import cell_centres, cell_size, sample_volume


class DeformableTokenSearch(nn.Module):
    """Sample a volume on a coarse grid that is bent by learned offsets.

    For the 3-D deformable transformer of Kim, Ahn and Ko (ICCV 2023), whose offset network, sample count and bounds
    were not verified. [ours]: a depth-wise 3-D convolution of stride `stride`, GELU, and a 1x1x1 convolution to three
    offsets, bounded to +-`reach` cells by tanh, as in the 2-D deformable attention transformer (arXiv:2201.00520). The
    last convolution starts at zero: the search starts from the regular grid.

    Args:
        width: Channels of the volume.
        stride: Cells from one sample to the next.
        reach: Bound of an offset, in cells.
    """

    def __init__(self, width: int, *, stride: int = 2, reach: float = 2.0) -> None:
        super().__init__()
        self.reach = reach
        self.look = nn.Conv3d(width, width, 3, stride=stride, padding=1, groups=width)
        self.offset = nn.Conv3d(width, 3, 1)
        for parameter in self.offset.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, volume: Float[Tensor, "batch depth height breadth width"]
    ) -> tuple[Float[Tensor, "batch samples width"], Float[Tensor, "batch samples 3"]]:
        """The sampled tokens, and where they were found (x, y, z in 0..1)."""
        channels = volume.movedim(-1, 1)
        offset = self.reach * self.offset(nn.functional.gelu(self.look(channels))).tanh()
        grid = cell_centres(*offset.shape[-3:], dtype=offset.dtype, device=offset.device)
        places = grid + offset.flatten(2).transpose(1, 2) * cell_size(channels)
        return sample_volume(channels, places), places


class DeformableFusion(nn.Module):
    """Q = [Z; tokens], K and V = [Z~; tokens]: attention to searched tokens of a volume and to all other tokens.

    Z are the volume's tokens, Z~ the searched ones, `tokens` those of the other modality and the cross-modal token,
    as the figure of Kim, Ahn and Ko (ICCV 2023) has it; residual and MLP follow (pre-norm).

    Args:
        width: Width of all tokens.
        heads: Attention heads.
        stride: Of the search.
        reach: Of the search, in cells.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(self, width: int, heads: int, *, stride: int = 2, reach: float = 2.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.search = DeformableTokenSearch(width, stride=stride, reach=reach)
        self.attention, self.residual = MultiHeadAttention(width, heads), Residual(width, dropout=dropout)
        self.mlp, self.mlp_residual = FeedForward(width), Residual(width, dropout=dropout)

    def forward(
        self,
        volume: Float[Tensor, "batch depth height breadth width"] | None,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> tuple[Float[Tensor, "batch depth height breadth width"] | None, Float[Tensor, "batch length width"]]:
        """Transform both; the volume may be absent, and the tokens then attend to themselves.

        Shape:
            mask: [batch, length]; true = real token (a joint that was seen, the cross-modal token).

        Raises:
            ValueError: Volume and tokens differ in their number of rows, or the mask does not fit.
        """
        require_one_batch(tokens=tokens, volume=volume)
        grid = tokens.new_zeros(tokens.shape[0], 0, tokens.shape[2]) if volume is None else volume.flatten(1, 3)
        count = grid.shape[1]
        everything = torch.cat([grid, tokens], 1)
        everything = self.residual(everything, lambda held: self._read(held, volume, count, mask))
        everything = self.mlp_residual(everything, self.mlp)
        grid, tokens = everything[:, :count], everything[:, count:]
        return (None if volume is None else grid.reshape(volume.shape)), tokens

    def _read(self, held: Tensor, volume: Tensor | None, count: int, mask: Tensor | None) -> Tensor:
        tokens = held[:, count:]
        real = tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
        if volume is None:
            read: Tensor = self.attention(held, tokens, real)
            return read
        searched, _ = self.search(held[:, :count].reshape(volume.shape))
        seen = real.new_ones(searched.shape[:2])
        mixed: Tensor = self.attention(held, torch.cat([searched, tokens], 1), torch.cat([seen, real], 1))
        return mixed
