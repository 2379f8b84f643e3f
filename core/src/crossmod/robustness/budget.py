"""What an attack may change: an L-infinity ball round the clean input, inside the input's own range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.errors import UserError


@dataclass(frozen=True)
class Budget:
    """|x' - x| <= epsilon for every number of the input, and lower <= x' <= upper.

    Args:
        epsilon: In the units of the input; one number, or a tensor that broadcasts against one sample (one epsilon a
            band, a channel, a descriptor).
        lower: Smallest value an input can have; None is unbounded.
        upper: Largest.

    Raises:
        UserError: epsilon is negative or not finite, or the range is empty.
    """

    epsilon: float | Float[Tensor, "*shape"]
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        size = torch.as_tensor(self.epsilon)
        if not bool((torch.isfinite(size) & (size >= 0)).all()):
            raise UserError(f"epsilon is {self.epsilon}; give a number from 0, in the units of the input.")
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise UserError(f"the range of the input is {self.lower} to {self.upper}; lower must be below upper.")

    def size(self, like: Float[Tensor, "*any"]) -> Float[Tensor, "*shape"]:
        """Epsilon as a tensor of the kind of `like`."""
        return torch.as_tensor(self.epsilon, dtype=like.dtype, device=like.device)

    def scaled(self, factor: float) -> Float[Tensor, "*shape"]:
        """Epsilon times a factor: a step size, in the units of the input."""
        return torch.as_tensor(self.epsilon) * factor

    def project(
        self, values: Float[Tensor, "batch *shape"], clean: Float[Tensor, "batch *shape"]
    ) -> Float[Tensor, "batch *shape"]:
        """The point of the budget nearest to `values`; exact: |x' - x| <= epsilon holds in the arithmetic of x' - x.

        Shape:
            values and clean: [batch, ...], of the same shape, as is the result.
        """
        size = self.size(clean)
        low, high = clean - size, clean + size
        # clean + epsilon rounds, and may end one step outside the ball.
        low = torch.where(clean - low > size, torch.nextafter(low, clean), low)
        high = torch.where(high - clean > size, torch.nextafter(high, clean), high)
        inside = torch.minimum(torch.maximum(values, low), high)
        return self.clip(inside)

    def clip(self, values: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The values inside the input's range."""
        if self.lower is None and self.upper is None:
            return values
        return values.clamp(self.lower, self.upper)

    def require_inside(self, clean: Float[Tensor, "batch *shape"]) -> None:
        """Refuse clean input outside the range: no perturbation of it could be both small and in range.

        Raises:
            UserError: A number lies outside.
        """
        if not clean.numel():
            return
        low, high = (float(extreme) for extreme in torch.aminmax(clean))
        if low < (-math.inf if self.lower is None else self.lower) or high > (
            math.inf if self.upper is None else self.upper
        ):
            raise UserError(
                f"the clean input spans {low:g} to {high:g}, outside its range {self.lower} to {self.upper}; "
                "give the range in the units that the tower reads."
            )


def random_start(
    budget: Budget, clean: Float[Tensor, "batch *shape"], generator: torch.Generator
) -> Float[Tensor, "batch *shape"]:
    """A uniformly random point of the budget: U(-epsilon, epsilon) added, then clipped to the range.

    Args:
        budget: The ball.
        clean: Its centre.
        generator: On the CPU, so that every device starts from the same point.
    """
    draw = 2 * torch.rand(clean.shape, generator=generator, dtype=clean.dtype) - 1
    return budget.project(clean + budget.size(clean) * draw.to(clean.device), clean)


def random_signs(
    budget: Budget, clean: Float[Tensor, "batch *shape"], generator: torch.Generator
) -> Float[Tensor, "batch *shape"]:
    """Noise as strong as the budget allows in every number, with random signs: what an attack has to beat."""
    draw = torch.randint(0, 2, clean.shape, generator=generator).to(clean)
    return budget.project(clean + budget.size(clean) * (2 * draw - 1), clean)
