"""Self-attention that knows how far frames are apart: by rotating queries and keys, or by learned distances."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.fusion.attention import attend
from crossmod.text.packed_tokens import Packing

Positions = Literal["rotary", "relative"]

SLOWEST_TURN = 10000.0
"""Base of the wavelengths of rotary positions (arXiv:2104.09864)."""

REACH = 160
"""Distances that SpeechT5 tells apart on each side; farther ones count as the farthest."""


class Rotation(NamedTuple):
    """Cosines and sines of the angles that the tokens' queries and keys are turned by.

    Shape:
        cosine, sine: [*tokens, size / 2], of one head's size.
    """

    cosine: Float[Tensor, "*tokens half"]
    sine: Float[Tensor, "*tokens half"]


def rotation(places: Int64[Tensor, "*tokens"], size: int) -> Rotation:
    """The angles place * 10000^(-2i / size) of rotary positions (arXiv:2104.09864).

    Shape:
        places: [*tokens]; where each token stands in its sequence.
    """
    steps = torch.arange(0, size, 2, device=places.device, dtype=torch.float32) / size
    angles = places[..., None] * SLOWEST_TURN**-steps
    return Rotation(angles.cos(), angles.sin())


def rotated(
    query_key_value: Float[Tensor, "*tokens 3 heads size"], angles: Rotation
) -> Float[Tensor, "*tokens 3 heads size"]:
    """Queries and keys turned, so that their products depend on distances alone; values as they are.

    Shape:
        query_key_value: [*tokens, 3, heads, size].
    """
    cosine, sine = (part[..., None, None, :] for part in angles)
    first, second = query_key_value[..., :2, :, :].chunk(2, -1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)
    return torch.cat([turned.to(query_key_value.dtype), query_key_value[..., 2:, :, :]], -3)


class RelativeKeyPositions(nn.Module):
    """Adds q_i . r_(i - j) / sqrt(size) to the logits, r learned for every distance (Shaw et al., arXiv:1803.02155).

    As in the encoder of SpeechT5 (arXiv:2110.07205, released code): distances beyond the reach share a vector, and all
    heads share the vectors.

    Args:
        size: Width of one head.
        reach: Distances of its own on each side.
    """

    def __init__(self, size: int, reach: int = REACH) -> None:
        super().__init__()
        self.reach = reach
        self.distances = nn.Embedding(2 * reach, size)
        nn.init.normal_(self.distances.weight, std=size**-0.5)

    def forward(self, query: Float[Tensor, "batch heads length size"]) -> Float[Tensor, "batch heads length length"]:
        """What is added to the logits of scaled dot-product attention."""
        length, size = query.shape[-2:]
        place = torch.arange(length, device=query.device)
        bucket = (place[:, None] - place).clamp(-self.reach, self.reach - 1) + self.reach
        # Only distances that occur are multiplied: there are 2 length - 1 of them, in one run of the embedding.
        low, high = self.reach - min(self.reach, length - 1), self.reach + min(self.reach, length)
        products = query @ self.distances.weight[low:high].to(query.dtype).t()
        wanted = (bucket - low).expand(*query.shape[:2], -1, -1)
        added: Tensor = products.gather(-1, wanted) * size**-0.5
        return added


class RelativeAttention(nn.Module):
    """Multi-head self-attention with relative positions.

    Args:
        width: Width of the tokens.
        heads: Attention heads; they divide the width, and leave an even size where positions are rotary.
        positions: "rotary" (arXiv:2104.09864), or learned "relative" ones on the keys (arXiv:1803.02155).
        reach: Distances on each side that relative positions tell apart.

    Raises:
        ValueError: Heads and width do not go together.
    """

    def __init__(self, width: int, heads: int, *, positions: Positions = "rotary", reach: int = REACH) -> None:
        super().__init__()
        if heads < 1 or width % heads or (positions == "rotary" and width // heads % 2):
            raise ValueError(
                f"attention of width {width} does not divide into {heads} heads of an even size; "
                f"take a multiple of {2 * max(heads, 1)}."
            )
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.distances = RelativeKeyPositions(width // heads, reach) if positions == "relative" else None
        for layer in (self.query_key_value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        tokens: Float[Tensor, "... width"],
        seen: Bool[Tensor, "batch length"] | Packing,
        angles: Rotation | None = None,
    ) -> Float[Tensor, "... width"]:
        """What every token reads from its sequence.

        Args:
            tokens: Padded or packed.
            seen: True at real tokens; or the packing of tokens that lie end to end, for rotary positions only.
            angles: Of the tokens' places, where positions are rotary.

        Shape:
            tokens: [batch, length, width]; [total, width] with a packing.

        Raises:
            ValueError: Learned positions are asked for packed tokens.
        """
        triple = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1))
        if angles is not None:
            triple = rotated(triple, angles)
        if isinstance(seen, Packing):
            if self.distances is not None:
                raise ValueError("relative positions take padded tokens; build the tower with packed=False.")
            mixed = seen.attend(triple.flatten(-3), self.heads)
        else:
            query, key, value = triple.permute(2, 0, 3, 1, 4)
            mixed = self._padded(query, key, value, seen[:, None, None]).transpose(1, 2).flatten(2)
        read: Tensor = self.out(mixed)
        return read

    def _padded(self, query: Tensor, key: Tensor, value: Tensor, allowed: Bool[Tensor, "batch 1 1 length"]) -> Tensor:
        if self.distances is None or not key.shape[-2]:
            return attend(query, key, value, allowed)
        sees = allowed.any(-1, keepdim=True)
        logits = self.distances(query).masked_fill(~(allowed | ~sees), -torch.inf)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=logits)
        return mixed.masked_fill(~sees, 0.0)
