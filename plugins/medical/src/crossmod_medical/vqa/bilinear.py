"""Bilinear attention networks: every object of an image against every word of a question (arXiv:1805.07932)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


def rectified_linear(width_in: int, width_out: int, dropout: float = 0.0) -> nn.Sequential:
    """Dropout, a weight-normalised linear map, ReLU: the layer that BAN is made of."""
    drop: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*drop, weight_norm(nn.Linear(width_in, width_out)), nn.ReLU())


class BilinearAttention(nn.Module):
    """For each glimpse g: b_g = BC_g(v, q; A_g), then q <- q + W_g b_g; the sum of q over words comes out.

    A_g = softmax over objects and words of sum_h p_gh (U v_i)_h (V q_j)_h, and
    BC_g = sum_ij A_g[i, j] (U_g v_i) * (V_g q_j). With a single object, as in MEVF, the softmax is over words alone.

    Args:
        visual_width: Width of the objects.
        width: Width of the words and of what comes out.
        glimpses: Number of glimpses (2 in MEVF; 10 in QCR's configuration).
        dropout: Probability of dropping a component before the maps (0.2 and 0.5 in the release).
    """

    def __init__(self, visual_width: int, width: int, glimpses: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.object = rectified_linear(visual_width, width, dropout)
        self.word = rectified_linear(width, width, dropout)
        self.glimpse = nn.Parameter(torch.empty(glimpses, width).normal_(std=width**-0.5))
        self.objects = nn.ModuleList(rectified_linear(visual_width, width, dropout) for _ in range(glimpses))
        self.words = nn.ModuleList(rectified_linear(width, width, dropout) for _ in range(glimpses))
        self.updates = nn.ModuleList(weight_norm(nn.Linear(width, width)) for _ in range(glimpses))

    def attention(
        self,
        objects: Float[Tensor, "batch objects visual_width"],
        words: Float[Tensor, "batch words width"],
        mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch glimpses objects words"]:
        """Shares of every object with every real word; they sum to 1 over both."""
        logits = torch.einsum("gw,bow,blw->bgol", self.glimpse, self.object(objects), self.word(words))
        logits = logits.masked_fill(~mask[:, None, None, :], -torch.inf)
        shares: Tensor = logits.flatten(2).softmax(-1).view(logits.shape)
        return shares

    def forward(
        self,
        objects: Float[Tensor, "batch objects visual_width"],
        words: Float[Tensor, "batch words width"],
        mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch width"]:
        """One vector a question; padding has no part in it."""
        shares = self.attention(objects, words, mask)
        held = words
        for number, (see, read, update) in enumerate(zip(self.objects, self.words, self.updates, strict=True)):
            joint = torch.einsum("bol,bow,blw->bw", shares[:, number], see(objects), read(held))
            held = held + update(joint)[:, None]
        return torch.einsum("blw,bl->bw", held, mask.to(held.dtype))
