"""How many frames a stack of convolutions without padding makes (torch-free): masks, targets and rejects follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Of wav2vec 2.0, HuBERT and SpeechT5: a frame every 320 samples, of 400."""


@dataclass(frozen=True)
class StackShape:
    """Kernels and strides of convolutions that follow each other.

    Args:
        kernels: Inputs that an output of each layer sees.
        strides: Inputs from one output to the next.

    >>> StackShape(KERNELS, STRIDES).frames(16000)
    49
    """

    kernels: Sequence[int] = KERNELS
    strides: Sequence[int] = STRIDES

    def frames(self, samples: int) -> int:
        """floor((n - kernel) / stride) + 1, layer after layer; 0 where the samples do not fill one frame."""
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            samples = max(0, (samples - kernel) // stride + 1)
        return samples

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        product = 1
        for stride in self.strides:
            product *= stride
        return product

    @property
    def reach(self) -> int:
        """Samples that one frame sees."""
        reach, stride = 1, 1
        for kernel, step in zip(self.kernels, self.strides, strict=True):
            reach += (kernel - 1) * stride
            stride *= step
        return reach
