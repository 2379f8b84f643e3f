"""The one cross-attention layer of the house; its order, norm and gate are what the published ones differ in."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.gate import GateKind
from crossmod.fusion.residual import FeedForward, NormPlace, Residual

LayerOrder = Literal["self-cross-mlp", "cross-self-mlp", "cross-mlp"]


class CrossAttentionLayer(nn.Module):
    """A transformer layer whose tokens also read from a context.

    "self-cross-mlp" with a post-norm is the layer of BERT with cross-attention (BridgeTower, METER, Q-Former,
    ALBEF); "cross-self-mlp" that of LXMERT; "cross-mlp" that of an attention pool. The gate acts on the cross branch
    alone: with "tanh", "scalar" or "channel" it starts at zero, and the layer then equals the one without a context,
    to the bit.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        context_width: Width of the context; None is `width`.
        order: Order of the branches.
        norm: Before each branch ("pre") or after each sum ("post").
        gate: The gate on the cross branch; needs the pre-norm.
        expansion: Width of the hidden layer of the MLP, in widths.
        dropout: Probability of dropping a component of what each branch adds.

    Raises:
        ValueError: The order is unknown, heads do not divide, or a gate is asked for with a post-norm.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context_width: int | None = None,
        order: LayerOrder = "self-cross-mlp",
        norm: NormPlace = "pre",
        gate: GateKind = "none",
        expansion: float = 4.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if order not in get_args(LayerOrder):
            raise ValueError(f"the order is {order!r}; take one of {', '.join(get_args(LayerOrder))}.")
        self.order = tuple(order.split("-"))
        self.cross = MultiHeadAttention(width, heads, context_width=context_width)
        self.cross_residual = Residual(width, norm=norm, dropout=dropout, gate=gate)
        self.own = MultiHeadAttention(width, heads) if "self" in self.order else None
        self.own_residual = Residual(width, norm=norm, dropout=dropout) if "self" in self.order else None
        self.mlp = FeedForward(width, expansion)
        self.mlp_residual = Residual(width, norm=norm, dropout=dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        context: Float[Tensor, "batch keys context_width"] | None = None,
        *,
        mask: Bool[Tensor, "batch length"] | None = None,
        context_mask: Bool[Tensor, "batch keys"] | None = None,
        self_mask: Bool[Tensor, "#batch length length"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform the tokens; without a context the cross branch adds nothing and is not computed.

        Shape:
            mask: [batch, length]; true = real token, the others are never attended.
            context_mask: [batch, keys]; true = real key.
            self_mask: [batch or 1, length, length], from `build_mask`; true = may attend.
        """
        for branch in self.order:
            if branch == "cross":
                tokens = self._cross(tokens, context, context_mask)
            elif branch == "self":
                tokens = self._self(tokens, mask, self_mask)
            else:
                tokens = self.mlp_residual(tokens, self.mlp)
        return tokens

    def _cross(self, tokens: Tensor, context: Tensor | None, context_mask: Tensor | None) -> Tensor:
        if context is None:
            return self.cross_residual.without(tokens)
        known = context
        read: Tensor = self.cross_residual(tokens, lambda normed: self.cross(normed, known, context_mask))
        return read

    def _self(self, tokens: Tensor, mask: Tensor | None, self_mask: Tensor | None) -> Tensor:
        own = self.own
        assert own is not None and self.own_residual is not None
        mixed: Tensor = self.own_residual(tokens, lambda normed: own(normed, normed, mask, self_mask))
        return mixed
