"""How much of a new branch enters an old network, learned, and at the start often nothing."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

GateKind = Literal["none", "tanh", "scalar", "channel"]


class Gate(nn.Module):
    """update -> g * update.

    - "none": g = 1, nothing is learned.
    - "tanh": g = tanh(alpha), alpha a learned number (Flamingo, arXiv:2204.14198).
    - "scalar": g = alpha (FIBER, arXiv:2206.07643, starts at 0; RLIPv2, arXiv:2308.09351, at 1/levels).
    - "channel": one alpha a channel (GLIP, arXiv:2112.03857).

    A gate at zero lets no gradient reach the branch in the first step, only alpha; from the second on both learn.

    Args:
        kind: Which of the above.
        width: Channels of the update.
        initial: Where alpha starts.

    Raises:
        ValueError: The kind is unknown.
    """

    def __init__(self, kind: GateKind, width: int, initial: float = 0.0) -> None:
        super().__init__()
        if kind not in get_args(GateKind):
            raise ValueError(f"the gate is {kind!r}; take one of {', '.join(get_args(GateKind))}.")
        self.kind = kind
        shape = (width,) if kind == "channel" else ()
        self.alpha = None if kind == "none" else nn.Parameter(torch.full(shape, float(initial)))

    def forward(self, update: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        """Scale what a branch wants to add."""
        if self.alpha is None:
            return update
        factor = self.alpha.tanh() if self.kind == "tanh" else self.alpha
        return update * factor.to(update.dtype)
