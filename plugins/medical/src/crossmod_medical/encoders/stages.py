"""What mixes the patches of a picture: attention over all of them, or over slices and then along depth."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod_medical.encoders.centring import BatchCentring


class JointStage(nn.Module):
    """Attention among all patches (ViT, arXiv:2010.11929), with a class token before them on request.

    Args:
        width: Width of the tokens.
        depth: Number of blocks.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
        class_token: Whether one learned token goes along.
        centred: The states of patches lose what those of a batch have in common.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        *,
        dropout: float = 0.0,
        class_token: bool = False,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.centring = BatchCentring(width) if centred else None
        self.transformer = TokenTransformer(width, depth, heads, dropout=dropout)
        self.class_token = nn.Parameter(torch.empty(width)) if class_token else None
        if self.class_token is not None:
            nn.init.normal_(self.class_token, std=0.02)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch width"] | None]:
        """States of the tokens and of the class token, None where there is none."""
        if self.class_token is None:
            return self._centred(self.transformer(tokens, mask), mask), None
        first = self.class_token.to(tokens.dtype).expand(len(tokens), 1, -1)
        seen = None if mask is None else torch.cat([mask.new_ones(len(mask), 1), mask], 1)
        states = self.transformer(torch.cat([first, tokens], 1), seen)
        return self._centred(states[:, 1:], mask), states[:, 0]

    def _centred(self, states: Tensor, mask: Tensor | None) -> Tensor:
        if self.centring is None:
            return states
        real = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device) if mask is None else mask
        return self.centring.of_real(states, real)


class FactorisedStage(nn.Module):
    """Attention within every slice, then along depth at every place: CT-ViT's factorisation (arXiv:2403.17834).

    Its cost grows with slices and places apart, 24 x 576^2 + 576 x 24^2 pairs for CT-CLIP's grid and not 13,824^2.
    Tokens that are left out cost nothing.

    Args:
        width: Width of the tokens.
        depth: Blocks within slices, and as many along depth (4 in CT-CLIP).
        heads: Attention heads; they divide the width.
        slices: Patches along depth.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(self, width: int, depth: int, heads: int, *, slices: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.slices = slices
        self.within = TokenTransformer(width, depth, heads, dropout=dropout)
        self.along = TokenTransformer(width, depth, heads, dropout=dropout)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], visible: Bool[Tensor, "batch length"] | None = None
    ) -> tuple[Float[Tensor, "batch length width"], None]:
        """States of the tokens, zero where they are not visible; slices come first in the order of the tokens."""
        batch, length, width = tokens.shape
        places = length // self.slices
        seen = None if visible is None else visible.view(batch * self.slices, places)
        states = self.within.among(tokens.reshape(batch * self.slices, places, width), seen)
        turned = states.view(batch, self.slices, places, width).transpose(1, 2).reshape(-1, self.slices, width)
        if visible is not None:
            seen = visible.view(batch, self.slices, places).transpose(1, 2).reshape(-1, self.slices)
        states = self.along.among(turned, seen)
        back = states.view(batch, places, self.slices, width).transpose(1, 2)
        return back.reshape(batch, length, width), None
