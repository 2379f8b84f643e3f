"""One pre-norm transformer block, over padded or packed tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.text.packed_tokens import Packing


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) (pre-norm: Xiong et al., arXiv:2002.04745).

    Dropout acts on what each branch adds; attention weights themselves are not dropped, so that attention runs
    through the fused kernels on every device.

    Args:
        width: Width of the tokens.
        heads: Attention heads; they divide the width.
        expansion: Width of the hidden layer of the MLP, in widths.
        dropout: Probability of dropping a component of what a branch adds.
        depth: Number of blocks of the tower that this one belongs to; scales the initial branches.
    """

    def __init__(self, width: int, heads: int, expansion: float, dropout: float, depth: int) -> None:
        super().__init__()
        self.heads = heads
        hidden = int(width * expansion)
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, hidden)
        self.mlp_out = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self._initialise(width, depth)

    def _initialise(self, width: int, depth: int) -> None:
        """Normal weights with CLIP's deviations (arXiv:2103.00020, released code); biases zero."""
        branch = width**-0.5 * (2 * depth) ** -0.5
        nn.init.normal_(self.query_key_value.weight, std=width**-0.5)
        nn.init.normal_(self.attention_out.weight, std=branch)
        nn.init.normal_(self.mlp_in.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.mlp_out.weight, std=branch)
        for layer in (self.query_key_value, self.attention_out, self.mlp_in, self.mlp_out):
            nn.init.zeros_(layer.bias)

    def forward(
        self, tokens: Float[Tensor, "... width"], seen: Bool[Tensor, "batch ..."] | Packing | None = None
    ) -> Float[Tensor, "... width"]:
        """Transform tokens.

        Shape:
            tokens: [batch, length, width]; [total, width] with a packing.
            seen: [batch, length], true at keys that may be attended to; or [batch, length, length], true where the
                query (second axis) may attend to the key (third); None where every token is real and sees all; or
                the packing whose sequences lie end to end.
        """
        tokens = tokens + self.dropout(self._attention(self.attention_norm(tokens), seen))
        hidden = functional.gelu(self.mlp_in(self.mlp_norm(tokens)))
        transformed: Tensor = tokens + self.dropout(self.mlp_out(hidden))
        return transformed

    def _attention(
        self, tokens: Float[Tensor, "... width"], seen: Bool[Tensor, "batch ..."] | Packing | None
    ) -> Float[Tensor, "... width"]:
        triple: Tensor = self.query_key_value(tokens)
        if isinstance(seen, Packing):
            mixed = seen.attend(triple, self.heads)
        else:
            batch, length, width = tokens.shape
            query, key, value = triple.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            allowed = None if seen is None else seen[:, None, None, :] if seen.dim() == 2 else seen[:, None]
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
            mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        attended: Tensor = self.attention_out(mixed)
        return attended


class AttentionPooling(nn.Module):
    """Multi-head attention of one learned query over the tokens (Lee et al., Set Transformer, arXiv:1810.00825)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.empty(width))
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.query)
        for layer in (self.key_value, self.out):
            nn.init.normal_(layer.weight, std=width**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch width"]:
        """One vector a sample; tokens where `mask` is false have no part in it."""
        batch, length, width = tokens.shape
        packed: Tensor = self.key_value(tokens)
        key, value = packed.view(batch, length, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query = self.query.to(key.dtype).view(1, self.heads, 1, -1).expand(batch, -1, -1, -1)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        pooled: Tensor = self.out(mixed.reshape(batch, width))
        return pooled


def masked_mean(
    tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
) -> Float[Tensor, "batch width"]:
    """The mean of the real tokens of every sample."""
    weights = mask.to(tokens.dtype)
    summed = torch.einsum("blw,bl->bw", tokens, weights)
    return summed / weights.sum(1, keepdim=True).clamp(min=1)
