"""2-D images of a whole corpus or of one minibatch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class ImageInputs:
    """Images on one grid, one byte a pixel and channel.

    Shape:
        pixels: [samples, channels, height, width] uint8, the first row at the top.
    """

    pixels: UInt8[Tensor, "samples channels height width"]

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: Int64[Tensor, "chosen"]) -> ImageInputs:
        """The images at `index`, in that order; an index may repeat."""
        return ImageInputs(self.pixels.index_select(0, index))

    def to(self, device: torch.device | str) -> ImageInputs:
        """The same images on another device."""
        return ImageInputs(self.pixels.to(device))

    @property
    def x(self) -> Float[Tensor, "samples channels height width"]:
        """Values from 0 (black) to 1."""
        return self.pixels.float() / 255.0
