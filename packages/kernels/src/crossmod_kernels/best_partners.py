"""Each token's best partner in a tile of products, for both sides, and the gradient that flows to those places.

A maximum with its place costs an order of magnitude more than the maximum alone, where torch compares element by
element. Here the maximum is taken first; the elements equal to it are multiplied with a countdown along the axis, in
bytes, and the largest product names the first of them.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from crossmod_kernels.engine import check_backend
from crossmod_kernels.token_sets import TokenRows

# Tokens of each side in a tile: 2 MiB of products in fp32 on a CPU, large launches on an accelerator.
CPU_TOKENS = (1024, 512)
ACCELERATOR_TOKENS = (4096, 4096)
# Longer sets have places that do not fit a byte.
LONGEST_BY_BYTE = 255


class Maxima(NamedTuple):
    """The best product of every token, 0 for padding, and where it is along the other side.

    Shape: of_a, place_a (samples_a, length_a, samples_b); of_b, place_b (samples_a, samples_b, length_b).
    """

    of_a: Tensor
    of_b: Tensor
    place_a: Tensor | None
    place_b: Tensor | None


class Partners(Protocol):
    """Maxima over a tile of products and their gradient, by torch or by Triton."""

    def samples(self, a: TokenRows, b: TokenRows) -> tuple[int, int]:
        """Samples of each side in a tile."""

    def maxima(self, values: Tensor, bias_a: Tensor | None, bias_b: Tensor | None, *, keep_places: bool) -> Maxima:
        """Both sides' maxima; `values` may be overwritten. Shape: values (samples_a, length_a, samples_b, length_b)."""

    def gradient_into(self, out: Tensor, place_a: Tensor, place_b: Tensor, pull_a: Tensor, pull_b: Tensor) -> None:
        """Write the gradient of a tile: `pull_a`, `pull_b` at their places, zero elsewhere. Shape: as in `Maxima`."""


def choose_partners(backend: str, device: torch.device) -> Partners:
    """Triton on CUDA where it is installed, and plain torch elsewhere, or the one named.

    Raises:
        ValueError: if Triton is asked for and is not installed, or cannot reach the device.
    """
    check_backend(backend, device)
    installed = importlib.util.find_spec("triton") is not None
    if backend == "triton" or (backend == "auto" and device.type == "cuda" and installed):
        from crossmod_kernels.cuda.best_partners import TritonPartners

        return TritonPartners()
    return TorchPartners()


def samples_of(tokens: tuple[int, int], a: TokenRows, b: TokenRows) -> tuple[int, int]:
    """As many whole samples as have about so many tokens."""
    return max(1, tokens[0] // a.length), max(1, tokens[1] // b.length)


class TorchPartners:
    """Maxima by torch's own reductions."""

    def samples(self, a: TokenRows, b: TokenRows) -> tuple[int, int]:
        return samples_of(CPU_TOKENS if a.rows.device.type == "cpu" else ACCELERATOR_TOKENS, a, b)

    def maxima(self, values: Tensor, bias_a: Tensor | None, bias_b: Tensor | None, *, keep_places: bool) -> Maxima:
        if bias_b is not None:
            values += bias_b
        of_a = values.amax(3)
        place_a = first_place(values, of_a, 3) if keep_places else None
        if bias_a is not None:
            values += bias_a[:, :, None, None]
        of_b = values.amax(1)
        place_b = first_place(values, of_b, 1) if keep_places else None
        if bias_b is not None:
            of_b.masked_fill_(bias_b < 0, 0.0)
        return Maxima(of_a, of_b, place_a, place_b)

    def gradient_into(self, out: Tensor, place_a: Tensor, place_b: Tensor, pull_a: Tensor, pull_b: Tensor) -> None:
        out.zero_()
        out.scatter_(3, place_a.long()[..., None], pull_a.to(out.dtype)[..., None])
        out.scatter_add_(1, place_b.long()[:, None], pull_b.to(out.dtype)[:, None])


def first_place(values: Tensor, best: Tensor, dim: int) -> Tensor:
    """Where `best`, the maximum along `dim`, is attained first; the last place if that is not-a-number.

    Shape: best and result are `values` without `dim`; the result is uint8 up to LONGEST_BY_BYTE places, else int32.
    """
    length = values.shape[dim]
    hits = values == best.unsqueeze(dim)
    codes = hits.view(torch.uint8) if length <= LONGEST_BY_BYTE else hits.int()
    countdown = torch.arange(length, 0, -1, dtype=codes.dtype, device=values.device)
    codes *= countdown.view(-1, *[1] * (values.dim() - 1 - dim))
    return (length - codes.amax(dim)).clamp_(max=length - 1)
