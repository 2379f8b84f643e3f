"""The shared decoder: layers that see what came before and read the encoder's states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.cross_attention import CrossAttentionLayer
from crossmod.fusion.residual import NormPlace


class SharedDecoder(nn.Module):
    """Causal self-attention, attention to the encoder's states, MLP: layer after layer.

    Args:
        width, heads, expansion, dropout, norm: As the encoder's.
        depth: How many layers (6 as published).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        *,
        expansion: float = 4.0,
        dropout: float = 0.1,
        norm: NormPlace = "post",
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            CrossAttentionLayer(width, heads, norm=norm, expansion=expansion, dropout=dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        states: Float[Tensor, "batch keys width"],
        mask: Bool[Tensor, "batch keys"],
    ) -> Float[Tensor, "batch length width"]:
        """What each place makes of the states and of the tokens up to it.

        Shape:
            mask: [batch, keys]; true = real state.
        """
        length = tokens.shape[1]
        before = torch.ones(1, length, length, dtype=torch.bool, device=tokens.device).tril()
        tokens = self.dropout(tokens)
        for layer in self.layers:
            tokens = layer(tokens, states, context_mask=mask, self_mask=before)
        decoded: Tensor = self.norm(tokens)
        return decoded

    @contextmanager
    def reading(self, layers: int, heads: int) -> Iterator[list[Float[Tensor, "batch heads length keys"]]]:
        """Inside, every pass adds what the first heads of the last layers attend to in the encoder's states."""
        heard: list[Tensor] = []

        def listen(attention: nn.Module, given: tuple[Any, ...]) -> None:
            assert isinstance(attention, MultiHeadAttention)
            heard.append(attention_weights(attention, *given[:3], heads=heads))

        with ExitStack() as stack:
            for layer in list(self.layers)[-layers:]:
                assert isinstance(layer, CrossAttentionLayer)
                stack.callback(layer.cross.register_forward_pre_hook(listen).remove)
            yield heard


def attention_weights(
    attention: MultiHeadAttention,
    tokens: Float[Tensor, "batch length width"],
    context: Float[Tensor, "batch keys width"],
    mask: Bool[Tensor, "batch keys"],
    *,
    heads: int,
) -> Float[Tensor, "batch heads length keys"]:
    """softmax(q k^T / sqrt(size)) of the first heads, with gradient; zero where `mask` is false.

    Shape:
        mask: [batch, keys]; true = real key, at least one in every row.
    """
    heads = min(heads, attention.heads)
    key, _ = attention.key_value(context.masked_fill(~mask[..., None], 0.0)).chunk(2, -1)
    query, key = (
        part.unflatten(-1, (attention.heads, -1))[:, :, :heads].transpose(1, 2)
        for part in (attention.query(tokens), key)
    )
    logits = (query @ key.transpose(-1, -2)).float() * query.shape[-1] ** -0.5
    weights: Tensor = logits.masked_fill(~mask[:, None, None], -torch.inf).softmax(-1)
    return weights
