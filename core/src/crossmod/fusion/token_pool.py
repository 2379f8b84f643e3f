"""Croc: hide soft tokens behind tokens of a learned pool, and have the language model bring the originals back."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize, smooth_l1_loss

from crossmod.fusion.assignment import cheapest_assignment
from crossmod.fusion.co_attention import OwnStage
from crossmod.fusion.masks import require_mask

Assignment = Literal["hungarian", "nearest"]


class Replaced(NamedTuple):
    """Tokens of which most stand behind tokens of the pool.

    Shape:
        tokens: [batch, length, width]; L2-normalised where not replaced.
        target: [batch, length, width]; the normalised originals, without gradient.
        hidden: [batch, length]; true = replaced.
        picked: [batch, length]; row of the pool, -1 where not replaced.
    """

    tokens: Float[Tensor, "batch length width"]
    target: Float[Tensor, "batch length width"]
    hidden: Bool[Tensor, "batch length"]
    picked: Int64[Tensor, "batch length"]


class TokenPoolReplacer(nn.Module):
    """Replace all but `kept` of every sample's tokens by tokens of a learned pool (Croc, arXiv:2410.14332).

    Of n real tokens, n - floor(kept n) are replaced, chosen uniformly. "hungarian" is the paper's choice of pool
    tokens, one-to-one with the least total Euclidean distance; it runs on the CPU, O(replaced^2 pool) a sample.
    "nearest" is the released code's, many-to-one. The choice has no gradient, the chosen rows have.

    Args:
        width: Width of the tokens.
        size: Rows of the pool (2048).
        kept: Share of the tokens that stay (0.25).
        assign: How pool tokens are chosen.

    Raises:
        ValueError: The share is outside 0..1, or the assignment is unknown.
    """

    def __init__(self, width: int, *, size: int = 2048, kept: float = 0.25, assign: Assignment = "hungarian") -> None:
        super().__init__()
        if not 0 <= kept <= 1 or assign not in get_args(Assignment):
            raise ValueError(f"kept={kept}, assign={assign!r}: take a share from 0 to 1, and 'hungarian' or 'nearest'.")
        self.kept, self.assign = kept, assign
        self.rows = nn.Parameter(torch.randn(size, width))

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Replaced:
        """Normalise the tokens, choose which to replace, and replace them.

        Shape:
            mask: [batch, length]; true = real token, the others are never replaced.

        Raises:
            ValueError: "hungarian" has more tokens to replace in a sample than rows, or a real token is not finite.
        """
        if mask is None:
            mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        require_mask("mask", mask, tokens)
        unit = normalize(tokens.masked_fill(~mask[..., None], 0.0), dim=-1)
        if not bool(unit.isfinite().all()):
            raise ValueError("a real token is not finite and has no nearest token of the pool; look at the projector.")
        hidden = self._hidden(mask, generator)
        picked = torch.full(mask.shape, -1, dtype=torch.long, device=tokens.device)
        picked[hidden] = self._pick(unit.detach(), hidden)
        replaced = torch.where(hidden[..., None], self.rows[picked.clamp(min=0)].to(unit.dtype), unit)
        return Replaced(replaced, unit.detach(), hidden, picked)

    def _hidden(self, mask: Tensor, generator: torch.Generator | None) -> Bool[Tensor, "batch length"]:
        real = mask.sum(1, keepdim=True)
        # 0.29 * 100 is 28.999...: a share that meets a whole number has to count as that number.
        count = real - (real.double() * self.kept + 1e-9).floor().long()
        draw = torch.rand(mask.shape, generator=generator, device=mask.device).masked_fill(~mask, torch.inf)
        return (draw.argsort(1).argsort(1) < count) & mask

    @torch.no_grad()
    def _pick(self, unit: Tensor, hidden: Tensor) -> Int64[Tensor, "replaced"]:
        """The pool's row for every hidden token, sample after sample."""
        rows = self.rows.double()
        if self.assign == "nearest":
            return torch.cdist(unit[hidden].double(), rows).argmin(1)
        if int(hidden.sum(1).amax() if len(hidden) else 0) > len(rows):
            raise ValueError(
                f"{int(hidden.sum(1).amax())} tokens of a sample cannot each have their own of a pool of {len(rows)}; "
                "enlarge the pool or take assign='nearest'."
            )
        distances = (torch.cdist(sample[chosen].double(), rows) for sample, chosen in zip(unit, hidden, strict=True))
        columns = [cheapest_assignment(distance.cpu().numpy()) for distance in distances]
        joined = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
        return torch.from_numpy(joined).to(unit.device)


class TokenReconstructionHead(nn.Module):
    """Linear(block(z + position)): the original tokens from the language model's states (Croc, arXiv:2410.14332).

    The block is BERT's: post-norm, its MLP four times as wide.

    Args:
        width: Width of the states and of the tokens.
        heads: Attention heads (of 64 channels each in the paper).
        length: Number of positions.
    """

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(length, width))
        nn.init.normal_(self.positions, std=0.02)
        self.block = OwnStage(width, heads, expansion=4.0, dropout=0.0)
        self.out = nn.Linear(width, width)

    def forward(
        self, states: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length width"]:
        """Reconstruct the tokens at the states' places.

        Raises:
            ValueError: More states than positions.
        """
        if states.shape[1] > len(self.positions):
            raise ValueError(f"{states.shape[1]} states were given to a head of {len(self.positions)} positions.")
        rebuilt: Tensor = self.out(self.block(states + self.positions[: states.shape[1]], mask))
        return rebuilt


def reconstruction_loss(
    rebuilt: Float[Tensor, "batch length width"],
    target: Float[Tensor, "batch length width"],
    mask: Bool[Tensor, "batch length"],
    *,
    beta: float = 0.01,
) -> Float[Tensor, ""]:
    """Mean over the tokens of `mask` of smooth L1: d^2 / (2 beta) below beta, d - beta / 2 above (Croc).

    The paper's loss takes all tokens, replaced or not (`mask` true at every real one) and counts ten times beside the
    caption loss in the released code (the paper's weight was not verified). With `Replaced.hidden` as the mask it is
    the error on hidden tokens alone, which says more. Zero, still attached, where nothing is masked in.
    """
    require_mask("mask", mask, rebuilt)
    if not bool(mask.any()):
        return rebuilt[mask].sum()
    wide = torch.promote_types(rebuilt.dtype, torch.float32)
    return smooth_l1_loss(rebuilt[mask].to(wide), target[mask].to(wide), beta=beta)
