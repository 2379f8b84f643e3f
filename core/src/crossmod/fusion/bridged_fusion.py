"""BridgeTower as a way to score pairs: it reads the states of each tower's top layers, not its last tokens alone."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.contracts.tower import Features
from crossmod.fusion.bridged_encoder import BridgedCrossEncoder
from crossmod.objectives.matching.pair_fusion import PairFusion, as_tokens


class BridgedFusion(PairFusion):
    """Cross-modal layers bridged to the last `depth` states of two towers (BridgeTower, arXiv:2206.08657).

    A tower without tokens has one state, its pooled vector as its one token, which enters every layer.

    Args:
        width_a: Width of the features of one side.
        width_b: Width of the other's.
        width: Width of each stream; the pair's vector has twice that.
        depth: Number of layers, and of the states that each tower brings.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self, width_a: int, width_b: int, *, width: int = 256, depth: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.width, self.states = 2 * width, depth
        self.encoder = BridgedCrossEncoder(width, heads, depth, width_a=width_a, width_b=width_b, dropout=dropout)

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`.

        Raises:
            ValueError: A side has tokens but fewer states than there are layers, or the sides differ in their rows.
        """
        (states_a, mask_a), (states_b, mask_b) = self._read("first", a), self._read("second", b)
        pooled: Tensor = self.encoder(states_a, states_b, mask_a, mask_b).pooled
        return pooled

    def _read(
        self, side: str, features: Features
    ) -> tuple[Sequence[Float[Tensor, "rows length width"]], Bool[Tensor, "rows length"]]:
        last, mask = as_tokens(features)
        if features.tokens is None:
            return [last] * self.states, mask
        states = features.hidden or ()
        if len(states) < self.states:
            raise ValueError(
                f"{self.states} bridged layers read as many states of each tower, but the {side} side brings "
                f"{len(states)}; lower the fusion's depth, or take a tower that offers the states of its layers."
            )
        for state in states:
            if state.shape != last.shape:
                raise ValueError(
                    f"a state of the {side} side has shape {tuple(state.shape)} beside tokens of {tuple(last.shape)}; "
                    "bridged layers read states of the same tokens."
                )
        return states, mask
