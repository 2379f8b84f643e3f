# Triton compiles these from their source; its decorator and its arguments have no types for a checker.
# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of late interaction: one program reads the products of one pair of samples, once.

Both sides' maxima come from the same read; the gradient is written whole, so that no tile is cleared first.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def pair_maxima(
    values, bias_a, bias_b, of_a, of_b, place_a, place_b, samples_b, length_a, length_b,
    biased_a: tl.constexpr, biased_b: tl.constexpr, keep: tl.constexpr, block_a: tl.constexpr, block_b: tl.constexpr,
):  # fmt: skip
    """Maxima of values[i, :, j, :] over b's tokens and over a's, with the first places that attain them if `keep`."""
    i, j = tl.program_id(0).to(tl.int64), tl.program_id(1)
    other = tl.arange(0, block_b)
    real = other < length_b
    best_b = tl.full([block_b], float("-inf"), tl.float32).to(of_b.dtype.element_ty)
    first_b = tl.zeros([block_b], tl.int32)
    bad_b = tl.zeros([block_b], tl.int32)
    padding_b = tl.zeros([block_b], of_b.dtype.element_ty)
    if biased_b:
        padding_b = tl.load(bias_b + j * length_b + other, mask=real, other=0.0).to(of_b.dtype.element_ty)
    for start in range(0, length_a, block_a):
        own = start + tl.arange(0, block_a)
        inside = (own[:, None] < length_a) & real[None, :]
        place = ((i * length_a + own[:, None]) * samples_b + j) * length_b + other[None, :]
        value = tl.load(values + place, mask=inside, other=float("-inf")).to(of_a.dtype.element_ty)
        value += padding_b[None, :]
        # A comparison with not-a-number is false, so that a maximum would pass over it.
        bad = (value != value).to(tl.int32)
        best, first = tl.max(value, 1, return_indices=True)
        best = tl.where(tl.sum(bad, 1) > 0, float("nan"), best)
        out = (i * length_a + own) * samples_b + j
        tl.store(of_a + out, best, mask=own < length_a)
        if keep:
            tl.store(place_a + out, first.to(place_a.dtype.element_ty), mask=own < length_a)
        if biased_a:
            value += tl.load(bias_a + i * length_a + own, mask=own < length_a, other=0.0).to(value.dtype)[:, None]
        best, first = tl.max(value, 0, return_indices=True)
        first_b = tl.where(best > best_b, start + first, first_b)
        best_b = tl.where(best > best_b, best, best_b)
        bad_b += tl.sum(bad, 0)
    best_b = tl.where(bad_b > 0, float("nan"), best_b)
    if biased_b:
        best_b = tl.where(padding_b < 0.0, 0.0, best_b)
    out = (i * samples_b + j) * length_b + other
    tl.store(of_b + out, best_b, mask=real)
    if keep:
        tl.store(place_b + out, first_b.to(place_b.dtype.element_ty), mask=real)


@triton.jit
def pair_gradient(
    out, place_a, place_b, pull_a, pull_b, samples_b, length_a, length_b,
    block_a: tl.constexpr, block_b: tl.constexpr,
):  # fmt: skip
    """out[i, k, j, r] = pull_a[i, k, j] [r = place_a[i, k, j]] + pull_b[i, j, r] [k = place_b[i, j, r]]."""
    i, j = tl.program_id(0).to(tl.int64), tl.program_id(1)
    other = tl.arange(0, block_b)
    real = other < length_b
    at_b = (i * samples_b + j) * length_b + other
    chosen_b = tl.load(place_b + at_b, mask=real, other=0).to(tl.int32)
    weight_b = tl.load(pull_b + at_b, mask=real, other=0.0)
    for start in range(0, length_a, block_a):
        own = start + tl.arange(0, block_a)
        at_a = (i * length_a + own) * samples_b + j
        chosen_a = tl.load(place_a + at_a, mask=own < length_a, other=0).to(tl.int32)
        weight_a = tl.load(pull_a + at_a, mask=own < length_a, other=0.0)
        gradient = tl.where(chosen_a[:, None] == other[None, :], weight_a[:, None], 0.0)
        gradient += tl.where(chosen_b[None, :] == own[:, None], weight_b[None, :], 0.0)
        place = ((i * length_a + own[:, None]) * samples_b + j) * length_b + other[None, :]
        inside = (own[:, None] < length_a) & real[None, :]
        tl.store(out + place, gradient.to(out.dtype.element_ty), mask=inside)
