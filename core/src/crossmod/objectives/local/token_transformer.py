"""A plain transformer over token vectors: the encoder and the light decoders of the local objectives."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.text.block import TransformerBlock
from crossmod.text.packed_tokens import Packing

AttentionMode = Literal["encoder", "decoder", "encoder-decoder"]


class TokenTransformer(nn.Module):
    """Pre-norm blocks and a final norm over patches, frames or any other tokens; positions are the caller's to add.

    Args:
        width: Width of the tokens.
        depth: Number of blocks; 0 leaves the norm alone.
        heads: Attention heads; they divide the width.
        expansion: Width of the hidden layer of the MLPs, in widths. (4 in arXiv:1706.03762.)
        dropout: Probability of dropping a component of what each branch adds.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(self, width: int, depth: int, heads: int, *, expansion: float = 4.0, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} does not divide into {heads} heads; take a multiple of {heads}")
        self.width = width
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, expansion, dropout, max(1, depth)) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
        visibility: Bool[Tensor, "batch length length"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform tokens; the states at padding are zero.

        Shape:
            tokens: [batch, length, width].
            mask: [batch, length]; true = real token, the only ones that are attended to.
            visibility: [batch, length, length]; true where the query (second axis) may attend to the key (third);
                all keys when None.
        """
        if not tokens.numel():
            return tokens
        keys = tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
        seen = keys[:, None, :] if visibility is None else keys[:, None, :] & visibility
        # A query that sees nothing would be a softmax over nothing, NaN in some kernels; it attends to itself instead.
        alone = ~seen.any(2, keepdim=True) & torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        attended = None if mask is None and visibility is None else seen | alone
        for block in self.blocks:
            tokens = block(tokens, attended)
        states: Tensor = self.norm(tokens)
        return states if mask is None else states.masked_fill(~mask[..., None], 0.0)

    def among(
        self, tokens: Float[Tensor, "batch length width"], visible: Bool[Tensor, "batch length"] | None
    ) -> Float[Tensor, "batch length width"]:
        """What `forward` makes of the visible tokens, zero elsewhere; the others are not computed on.

        The blocks see packed tokens, so that nothing may listen to them in between (taps, bridges).

        Shape:
            tokens: [batch, length, width].
            visible: [batch, length]; false at hidden tokens and at padding; None where all are visible.
        """
        if visible is None:
            return self.forward(tokens)
        packing = Packing.of(visible)
        states = packing.pack(tokens)
        for block in self.blocks:
            states = block(states, packing)
        return packing.unpack(self.norm(states))


def attention_visibility(
    mask: Bool[Tensor, "batch length"],
    mode: AttentionMode,
    source: Bool[Tensor, "batch length"] | None = None,
) -> Bool[Tensor, "batch length length"]:
    """Who attends to whom in UniXcoder's three modes (arXiv:2203.03850) and in prefix language models.

    "encoder": every query sees every real token. "decoder": itself and what stands before it. "encoder-decoder": a
    source token sees the whole source and no target; a target token sees the source, and itself and the targets
    before it. A source that is a prefix makes this the prefix language model of T5 (arXiv:1910.10683).

    Shape:
        mask: [batch, length]; true = real token; padding is never seen.
        source: [batch, length]; true = source token; for "encoder-decoder" only.

    Returns:
        [batch, length, length]; true where the query (second axis) may attend to the key (third).

    Raises:
        ValueError: "encoder-decoder" is given no source, or another mode is given one, or the mode is unknown.
    """
    if (mode == "encoder-decoder") != (source is not None):
        raise ValueError(
            f"attention mode {mode!r} and a source that is {'absent' if source is None else 'given'} "
            "do not go together; give the source with 'encoder-decoder' and with no other"
        )
    length = mask.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    if mode == "encoder":
        allowed = torch.ones_like(causal)[None]
    elif mode == "decoder":
        allowed = causal[None]
    elif source is not None:
        allowed = source[:, None, :] | (~source[:, :, None] & causal)
    else:
        raise ValueError(f"the attention mode is {mode!r}; take 'encoder', 'decoder' or 'encoder-decoder'")
    return allowed & mask[:, None, :]
