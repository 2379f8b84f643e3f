"""Multi-head attention with masks that mean what they say: masked keys have no part, nothing to see gives zero."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.masks import require_mask


def attend(
    query: Float[Tensor, "batch heads query size"],
    key: Float[Tensor, "batch heads keys size"],
    value: Float[Tensor, "batch heads keys value_size"],
    mask: Bool[Tensor, "..."] | None = None,
) -> Float[Tensor, "batch heads query value_size"]:
    """softmax(q k^T / sqrt(size) + log mask) v; a query that may attend to nothing gives zeros, with zero gradient.

    Scaled dot-product attention (arXiv:1706.03762) through torch's fused kernels; masked logits are -inf before the
    softmax. Softmax over an empty set is undefined, and kernels differ in what they return for it; here it is 0.

    Shape:
        mask: broadcasts to [batch, heads, query, keys]; true = may attend.
    """
    if not key.shape[-2]:
        # A product over no keys: zeros that stay attached, so that every process of a run has the same gradients.
        return query @ key.transpose(-1, -2) @ value
    if mask is None:
        return functional.scaled_dot_product_attention(query, key, value)
    sees = mask.any(-1, keepdim=True)
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask | ~sees)
    return mixed.masked_fill(~sees, 0.0)


class MultiHeadAttention(nn.Module):
    """Attention of tokens to a context, with its own projections (arXiv:1706.03762).

    A token that may attend to no key gets exactly zero, the bias of the output projection included, so that an absent
    context and a fully masked one are the same thing. Keys that `context_mask` hides are replaced by zeros before the
    projections, so that not even a NaN in the padding gets through. Weights start Xavier-uniform, biases at zero (the
    convention of torch's own attention).

    Args:
        width: Width of the tokens and of what comes out.
        heads: Attention heads; they divide the inner width.
        context_width: Width of the context; None is the tokens' own.
        inner_width: Width of queries, keys and values over all heads; None is `width`.

    Raises:
        ValueError: The heads do not divide the inner width.
    """

    def __init__(
        self, width: int, heads: int, *, context_width: int | None = None, inner_width: int | None = None
    ) -> None:
        super().__init__()
        inner = width if inner_width is None else inner_width
        if heads < 1 or inner % heads:
            raise ValueError(f"attention of width {inner} does not divide into {heads} heads; take a divisor.")
        self.heads = heads
        self.query = nn.Linear(width, inner)
        self.key_value = nn.Linear(width if context_width is None else context_width, 2 * inner)
        self.out = nn.Linear(inner, width)
        for layer in (self.query, self.key_value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        tokens: Float[Tensor, "batch query width"],
        context: Float[Tensor, "batch keys context_width"],
        context_mask: Bool[Tensor, "batch keys"] | None = None,
        mask: Bool[Tensor, "#batch query keys"] | None = None,
    ) -> Float[Tensor, "batch query width"]:
        """What each token reads from the context.

        Shape:
            context_mask: [batch, keys]; true = real key.
            mask: [batch or 1, query, keys]; true = may attend, for causal and prefix attention.

        Raises:
            ValueError: Batches or masks do not fit.
        """
        require_one_batch(tokens=tokens, context=context)
        if context_mask is not None:
            require_mask("context_mask", context_mask, context)
            context = context.masked_fill(~context_mask[..., None], 0.0)
        allowed = _allowed(tokens, context, context_mask, mask)
        key, value = self.key_value(context).chunk(2, -1)
        mixed = attend(self._split(self.query(tokens)), self._split(key), self._split(value), allowed)
        read: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        if not context.shape[1]:
            return 0 * read
        if allowed is None:
            return read
        return read.masked_fill(~allowed.any(-1).transpose(1, 2), 0.0)

    def _split(self, packed: Float[Tensor, "batch length inner"]) -> Float[Tensor, "batch heads length size"]:
        batch, length, inner = packed.shape
        return packed.view(batch, length, self.heads, inner // self.heads).transpose(1, 2)


def _allowed(
    tokens: Tensor,
    context: Tensor,
    context_mask: Bool[Tensor, "batch keys"] | None,
    mask: Bool[Tensor, "#batch query keys"] | None,
) -> Bool[Tensor, "#batch 1 query keys"] | None:
    """Both masks in one; None where neither hides anything."""
    keys = None if context_mask is None else context_mask[:, None, None, :]
    if mask is None:
        return keys
    fits = mask.ndim == 3 and mask.shape[0] in (1, tokens.shape[0])
    if mask.dtype != torch.bool or not fits or mask.shape[1:] != (tokens.shape[1], context.shape[1]):
        raise ValueError(
            f"mask is {mask.dtype} {tuple(mask.shape)}; it has to be bool "
            f"[{tokens.shape[0]} or 1, {tokens.shape[1]}, {context.shape[1]}], true = may attend."
        )
    return mask[:, None] if keys is None else mask[:, None] & keys
