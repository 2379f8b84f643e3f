"""RLIPv2's asymmetry: half as many blocks suffice for the short side of a fusion."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn


class AsymmetricFusionStack(nn.Module):
    """A deep stack a and a thin stack b, fused before every `interval`-th block of a (RLIPv2, arXiv:2308.09351).

    Before block l of a with l mod interval = 0 come one fusion and one block of b. Blocks are called as
    `block(tokens, mask)`.

    Args:
        blocks_a: Blocks of the deep side (6 in the paper).
        blocks_b: Blocks of the thin side; one for each fusion (3).
        fusions: As many fusion blocks.
        interval: Blocks of a between two fusions, plus one (2).

    Raises:
        ValueError: The numbers do not fit.
    """

    def __init__(
        self,
        blocks_a: Sequence[nn.Module],
        blocks_b: Sequence[nn.Module],
        fusions: Sequence[nn.Module],
        *,
        interval: int,
    ) -> None:
        super().__init__()
        if interval < 1:
            raise ValueError(f"the interval between fusions is {interval}; take at least 1.")
        self.fused_before = tuple(range(0, len(blocks_a), interval))
        if not len(self.fused_before) == len(blocks_b) == len(fusions):
            raise ValueError(
                f"{len(blocks_a)} blocks with interval {interval} need {len(self.fused_before)} blocks and fusions on "
                f"the thin side; {len(blocks_b)} blocks and {len(fusions)} fusions were given."
            )
        self.blocks_a, self.blocks_b = nn.ModuleList(blocks_a), nn.ModuleList(blocks_b)
        self.fusions, self.interval = nn.ModuleList(fusions), interval

    def forward(
        self,
        a: Float[Tensor, "batch length_a width_a"],
        b: Float[Tensor, "batch length_b width_b"],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
    ) -> tuple[Float[Tensor, "batch length_a width_a"], list[Float[Tensor, "batch length_b width_b"]]]:
        """The deep side's tokens, and the thin side's after each of its blocks (for auxiliary supervision)."""
        depths = []
        for index, block in enumerate(self.blocks_a):
            if index in self.fused_before:
                step = index // self.interval
                a, b = self.fusions[step](a, b, mask_a, mask_b)
                b = self.blocks_b[step](b, mask_b)
                depths.append(b)
            a = block(a, mask_a)
        return a, depths
