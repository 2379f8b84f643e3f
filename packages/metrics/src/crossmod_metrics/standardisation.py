"""Feature standardisation by training statistics, shared by every probe."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_finite, require_rows


@dataclass(frozen=True)
class Standardisation:
    """Mean and standard deviation of the training features; a constant feature keeps a scale of one.

    Shape: mean (features,), scale (features,), float64.
    """

    mean: Float[Tensor, " features"]
    scale: Float[Tensor, " features"]

    @classmethod
    def of(cls, features: Shaped[Tensor, "samples features"]) -> Standardisation:
        """Measure training features.

        Raises: ValueError where they are empty or not finite.
        """
        require_rows("train_features", features, 2)
        require_finite("train_features", features)
        wide = features.double()
        mean = wide.mean(dim=0)
        scale = wide.std(dim=0, correction=0)
        # The mean of a constant is off by rounding, which must not be blown up to unit variance.
        constant = scale <= 1e-12 * mean.abs()
        return cls(mean, scale.masked_fill(constant, 1.0))

    def apply(self, features: Shaped[Tensor, "samples features"]) -> Float[Tensor, "samples features"]:
        """Return (x - mean) / scale in float64.

        Raises: ValueError where the features are empty, not finite, or of another width.
        """
        require_rows("features", features, 2)
        require_finite("features", features)
        if features.shape[1] != len(self.mean):
            raise ValueError(f"features has width {features.shape[1]}; the probe was fitted on width {len(self.mean)}.")
        return (features.double() - self.mean) / self.scale
