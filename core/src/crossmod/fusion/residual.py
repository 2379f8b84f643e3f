"""The two halves that every block repeats: where normalisation stands around a branch, and the MLP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from crossmod.fusion.gate import Gate, GateKind

NormPlace = Literal["pre", "post"]


class Residual(nn.Module):
    """tokens + gate(branch(norm(tokens))) (pre-norm, arXiv:2002.04745), or norm(tokens + branch(tokens)) (post-norm).

    Args:
        width: Width of the tokens.
        norm: Where the layer norm stands.
        dropout: Probability of dropping a component of what the branch adds.
        gate: The gate on what the branch adds.

    Raises:
        ValueError: A gate is asked for after-norm: at zero it would still not leave the network as it was.
    """

    def __init__(self, width: int, *, norm: NormPlace = "pre", dropout: float = 0.0, gate: GateKind = "none") -> None:
        super().__init__()
        if norm not in get_args(NormPlace):
            raise ValueError(f"the norm stands {norm!r}; take 'pre' or 'post'.")
        if norm == "post" and gate != "none":
            raise ValueError(
                f"a {gate!r} gate at zero is no identity under a post-norm; take norm='pre' or gate='none'."
            )
        self.place = norm
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.gate = Gate(gate, width)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], branch: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "batch length width"]:
        """Add the branch."""
        if self.place == "pre":
            added: Tensor = tokens + self.gate(self.dropout(branch(self.norm(tokens))))
            return added
        normed: Tensor = self.norm(tokens + self.dropout(branch(tokens)))
        return normed

    def without(self, tokens: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        """What comes out when the branch adds nothing; the branch is not asked."""
        kept: Tensor = tokens if self.place == "pre" else self.norm(tokens)
        return kept


class FeedForward(nn.Sequential):
    """Linear, GELU, Linear on each token.

    Args:
        width: Width that comes in.
        expansion: Width of the hidden layer, in widths.
        out_width: Width that comes out; None is `width`.
    """

    def __init__(self, width: int, expansion: float = 4.0, out_width: int | None = None) -> None:
        hidden = int(width * expansion)
        super().__init__(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width if out_width is None else out_width)
        )
