"""Late interaction on CUDA: a cuBLAS product, then one Triton program for each pair of samples."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from crossmod_kernels.best_partners import ACCELERATOR_TOKENS, Maxima, samples_of
from crossmod_kernels.cuda import partner_kernels
from crossmod_kernels.token_sets import TokenRows
from crossmod_kernels.unit_rows import compute_dtype

# Products of one pair that a program holds at one time: the registers of four warps.
HELD_PRODUCTS = 8192


class TritonPartners:
    """Maxima and gradients for CUDA, and for any tensor under Triton's interpreter."""

    def samples(self, a: TokenRows, b: TokenRows) -> tuple[int, int]:
        return samples_of(ACCELERATOR_TOKENS, a, b)

    def maxima(self, values: Tensor, bias_a: Tensor | None, bias_b: Tensor | None, *, keep_places: bool) -> Maxima:
        samples_a, length_a, samples_b, length_b = values.shape
        dtype = compute_dtype(values)
        of_a = values.new_empty(samples_a, length_a, samples_b, dtype=dtype)
        of_b = values.new_empty(samples_a, samples_b, length_b, dtype=dtype)
        place_a, place_b = (torch.empty_like(each, dtype=torch.int32) if keep_places else None for each in (of_a, of_b))
        partner_kernels.pair_maxima[(samples_a, samples_b)](
            values, values if bias_a is None else bias_a, values if bias_b is None else bias_b, of_a, of_b,
            of_a if place_a is None else place_a, of_b if place_b is None else place_b, samples_b, length_a, length_b,
            biased_a=bias_a is not None, biased_b=bias_b is not None, keep=keep_places, **_blocks(length_a, length_b),
        )  # fmt: skip
        return Maxima(of_a, of_b, place_a, place_b)

    def gradient_into(self, out: Tensor, place_a: Tensor, place_b: Tensor, pull_a: Tensor, pull_b: Tensor) -> None:
        samples_a, length_a, samples_b, length_b = out.shape
        given = [each.contiguous() for each in (place_a, place_b, pull_a, pull_b)]
        partner_kernels.pair_gradient[(samples_a, samples_b)](
            out, *given, samples_b, length_a, length_b, **_blocks(length_a, length_b)
        )


def _blocks(length_a: int, length_b: int) -> dict[str, int]:
    block_b = triton.next_power_of_2(length_b)
    block_a = min(triton.next_power_of_2(length_a), max(1, HELD_PRODUCTS // block_b))
    return {"block_a": block_a, "block_b": block_b}
