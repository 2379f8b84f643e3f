"""LXMERT: two streams that first read each other, then themselves; and regions that have a place (arXiv:1908.07490)."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.residual import FeedForward, Residual


class CrossRead(nn.Module):
    """LN(tokens + attention(tokens; context)), with the norm inside, so that both can be shared by two directions."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.residual = Residual(width, norm="post", dropout=dropout)

    def forward(
        self, tokens: Tensor, context: Tensor, context_mask: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Read the context once."""
        read: Tensor = self.residual(tokens, lambda held: self.attention(held, context, context_mask, mask))
        return read


class OwnStage(nn.Module):
    """Self-attention, then the MLP, of one stream: BERT's post-norm layer (arXiv:1810.04805)."""

    def __init__(self, width: int, heads: int, expansion: float, dropout: float) -> None:
        super().__init__()
        self.read = CrossRead(width, heads, dropout)
        self.mlp = FeedForward(width, expansion)
        self.residual = Residual(width, norm="post", dropout=dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "batch length"] | None = None,
        self_mask: Bool[Tensor, "#batch length length"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform one stream; `self_mask` comes from `build_mask`, for causal and prefix attention."""
        transformed: Tensor = self.residual(self.read(tokens, tokens, mask, self_mask), self.mlp)
        return transformed


class CoAttentionLayer(nn.Module):
    """Cross, self, MLP for two streams; both cross reads start from the layer's inputs (LXMERT, arXiv:1908.07490).

    The paper's formulas allow a cross-attention for each direction; the released code has one for both, and so does
    `share_cross`.

    Args:
        width: Width of both streams.
        heads: Attention heads.
        share_cross: Whether both directions read through the same weights.
        expansion: Width of the hidden layer of the MLPs, in widths.
        dropout: Probability of dropping a component of what a branch adds (0.1 in the paper).
    """

    def __init__(
        self, width: int, heads: int, *, share_cross: bool = True, expansion: float = 4.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        # One entry when shared: a module registered under two names could not be saved as safetensors.
        self.cross = nn.ModuleList(CrossRead(width, heads, dropout) for _ in range(1 if share_cross else 2))
        self.own_a = OwnStage(width, heads, expansion, dropout)
        self.own_b = OwnStage(width, heads, expansion, dropout)

    def read(
        self,
        a: Float[Tensor, "batch length_a width"],
        b: Float[Tensor, "batch length_b width"],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
    ) -> tuple[Float[Tensor, "batch length_a width"], Float[Tensor, "batch length_b width"]]:
        """The cross stage alone: each stream after reading the other as it came in."""
        return self.cross[0](a, b, mask_b), self.cross[-1](b, a, mask_a)

    def forward(
        self,
        a: Float[Tensor, "batch length_a width"],
        b: Float[Tensor, "batch length_b width"],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
    ) -> tuple[Float[Tensor, "batch length_a width"], Float[Tensor, "batch length_b width"]]:
        """Transform both streams; masks are true at real tokens."""
        read_a, read_b = self.read(a, b, mask_a, mask_b)
        return self.own_a(read_a, mask_a), self.own_b(read_b, mask_b)


class RegionEmbedding(nn.Module):
    """(LN(W_f f) + LN(W_g g)) / 2: what a region is and where it lies, without an order (arXiv:1908.07490).

    Args:
        feature_width: Width of the regions' features.
        geometry_width: Numbers of their place: 4 for a box of an image, 6 for one of a volume, normalised to 0..1.
        width: Width that comes out.
        dropout: Probability of dropping a component (0.1 in the paper).
    """

    def __init__(self, feature_width: int, geometry_width: int, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.feature = nn.Sequential(nn.Linear(feature_width, width), nn.LayerNorm(width))
        self.geometry = nn.Sequential(nn.Linear(geometry_width, width), nn.LayerNorm(width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        features: Float[Tensor, "batch regions feature_width"],
        geometry: Float[Tensor, "batch regions geometry_width"],
    ) -> Float[Tensor, "batch regions width"]:
        """Embed regions; padded ones need a mask further on, which the paper's fixed 36 regions did without."""
        embedded: Tensor = self.dropout((self.feature(features) + self.geometry(geometry)) / 2)
        return embedded
