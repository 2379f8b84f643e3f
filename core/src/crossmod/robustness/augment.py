"""The set that a guided attack looks at beside the input itself: the caller's choice, per kind of input.

SGA (arXiv:2307.14061) takes an image at four further scales, each with fresh Gaussian noise. A plugin passes what
suits its input: another time-stretch, a rotation, a jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from crossmod.errors import UserError

Augmentation = Callable[[Float[Tensor, "batch *shape"], torch.Generator], Float[Tensor, "batch *shape"]]
"""A differentiable copy of a minibatch, of the same shape, drawn from a CPU generator."""

_MODES = {1: "linear", 2: "bicubic", 3: "trilinear"}
SCALES = (0.5, 0.75, 1.25, 1.5)
"""The scales of SGA beside 1."""


@final
@dataclass(frozen=True)
class Noisy:
    """x + N(0, deviation^2), clipped to the range.

    Args:
        deviation: In the units of the input.
        lower: Of the range; None is unbounded.
        upper: Of the range.
    """

    deviation: float
    lower: float | None = None
    upper: float | None = None

    def __call__(
        self, values: Float[Tensor, "batch *shape"], generator: torch.Generator
    ) -> Float[Tensor, "batch *shape"]:
        """One noisy copy."""
        noise = torch.randn(values.shape, generator=generator, dtype=values.dtype).to(values.device)
        return _clip(values + self.deviation * noise, self.lower, self.upper)


@final
@dataclass(frozen=True)
class Rescaled:
    """Noise, then resampling to `scale` times the size, clipping, and resampling back (SGA, step 2).

    Interpolation is linear, bicubic or trilinear by the number of spatial axes; bicubic as SGA does it.

    Args:
        scale: Of every spatial axis.
        deviation: Of the noise, in the units of the input (0.05 of the range in SGA).
        lower: Of the range; None is unbounded.
        upper: Of the range.
    """

    scale: float
    deviation: float = 0.0
    lower: float | None = None
    upper: float | None = None

    def __call__(
        self, values: Float[Tensor, "batch channels *spatial"], generator: torch.Generator
    ) -> Float[Tensor, "batch channels *spatial"]:
        """One copy at another scale, brought back to its size.

        Raises:
            UserError: The input is no [batch, channels, 1 to 3 spatial axes].
        """
        mode = _MODES.get(values.ndim - 2)
        if mode is None:
            raise UserError(
                f"an input of shape {list(values.shape)} has no scales; they need [batch, channels, 1 to 3 axes]."
            )
        size = list(values.shape[2:])
        other = [max(1, round(self.scale * length)) for length in size]
        noisy = Noisy(self.deviation)(values, generator) if self.deviation else values
        scaled = interpolate(noisy, size=other, mode=mode, align_corners=False)
        return interpolate(_clip(scaled, self.lower, self.upper), size=size, mode=mode, align_corners=False)


def _clip(
    values: Float[Tensor, "batch *shape"], lower: float | None, upper: float | None
) -> Float[Tensor, "batch *shape"]:
    return values if lower is None and upper is None else values.clamp(lower, upper)
