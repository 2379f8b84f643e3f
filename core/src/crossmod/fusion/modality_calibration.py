"""Calibration of one modality's tokens inside a frozen or trained decoder: a scale and a shift after each layer."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class ModalityCalibration(nn.Module):
    """h <- u * h + v on the tokens of one modality, u and v learned per channel (MoCa, Huang et al. 2024).

    One after every decoder layer narrows the distance that `crossmod_metrics.modality_integration_rate` reports. A
    sequence of one token is passed through: a cached decoder writes text one token at a time.

    Args:
        width: Width of the tokens.
        deviation: Standard deviation of u around 1 and of v around 0 at the start; 0, as the released recipe has it,
            starts at the identity.

    Raises:
        ValueError: The deviation is negative or no number.
    """

    def __init__(self, width: int, *, deviation: float = 0.0) -> None:
        super().__init__()
        if not 0 <= deviation < float("inf"):
            raise ValueError(f"the calibration starts with a deviation of {deviation}; take a finite one from 0")
        self.scale = nn.Parameter(1 + deviation * torch.randn(width))
        self.shift = nn.Parameter(deviation * torch.randn(width))

    def forward(
        self, tokens: Float[Tensor, "batch length width"], calibrated: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Calibrate the marked tokens; all others leave as they came, to the bit.

        Shape:
            tokens: [batch, length, width]; calibrated: [batch, length], true = of the modality.

        Raises:
            ValueError: The mask or the width does not fit the tokens.
        """
        if calibrated.shape != tokens.shape[:2] or tokens.shape[2] != len(self.scale):
            raise ValueError(
                f"tokens of shape {list(tokens.shape)} and a mask of shape {list(calibrated.shape)} do not fit a "
                f"calibration of width {len(self.scale)}; give [batch, length, width] and [batch, length]"
            )
        if tokens.shape[1] <= 1:
            return tokens
        moved = self.scale.to(tokens.dtype) * tokens + self.shift.to(tokens.dtype)
        return torch.where(calibrated[..., None], moved, tokens)
