"""The learned temperature of a contrastive loss, with the clamp that keeps it usable."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LogitScale(nn.Module):
    """The factor on cosine similarities, stored as its logarithm: `scale = exp(log_scale)`.

    CLIP (arXiv:2103.00020) starts at 1/0.07 and clamps the scale at 100 after every optimiser step, on the
    parameter's data, so that no gradient runs through the clamp. SigLIP (arXiv:2303.15343) starts at 10 with a
    learned bias of -10 and clamps nothing.

    Args:
        initial: The scale to start at; the reciprocal of the temperature.
        largest: Upper end of the clamp; infinity clamps nothing above.
        smallest: Lower end of the clamp.
        bias: Start of the learned bias on the logits; None has no bias, as softmax losses ignore it.
        learned: False keeps the scale as it starts (MoMu's constant temperature).

    Raises:
        ValueError: `initial` is not inside the clamp.
    """

    def __init__(
        self,
        initial: float = 1 / 0.07,
        *,
        largest: float = 100.0,
        smallest: float = 1.0,
        bias: float | None = None,
        learned: bool = True,
    ) -> None:
        super().__init__()
        if not 0 < smallest <= initial <= largest:
            raise ValueError(
                f"logit scale starts at {initial}, which is outside its clamp [{smallest}, {largest}]; "
                "give an initial value inside it (the scale is 1/temperature, not the temperature)"
            )
        self.largest, self.smallest = largest, smallest
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial)), requires_grad=learned)
        self.bias = nn.Parameter(torch.tensor(float(bias))) if bias is not None else None

    def forward(self) -> Float[Tensor, ""]:
        """The scale itself, with gradient to its logarithm."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring the scale back into its range; call after each optimiser step."""
        largest = torch.tensor(self.largest, dtype=self.log_scale.dtype).log()
        if math.exp(float(largest)) > self.largest:  # the logarithm rounds up: exp() would end above the clamp
            largest = torch.nextafter(largest, torch.tensor(-math.inf, dtype=largest.dtype))
        self.log_scale.clamp_(math.log(self.smallest), float(largest))
