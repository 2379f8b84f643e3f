# Triton compiles these from their source; its decorator and its arguments have no types for a checker.
# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton epilogues of a product: what is done to a tile of cosines once cuBLAS has formed it.

Each reads a tile once and writes what is needed of it: partial sums (added afterwards in a fixed order, so that
results do not depend on the order of atomics), or the gradient of the logits in the operands' type.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def exponential_sums(
    values, kept, row_parts, column_parts, rows, columns, scale, shift,
    keep: tl.constexpr, block_rows: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """Partial row and column sums of exp(scale * values - shift), the exponentials stored if `keep`."""
    row_block, column_block = tl.program_id(0), tl.program_id(1)
    row = row_block * block_rows + tl.arange(0, block_rows)
    column = column_block * block_columns + tl.arange(0, block_columns)
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    place = row[:, None].to(tl.int64) * columns + column[None, :]
    value = tl.load(values + place, mask=inside, other=0.0)
    exponential = tl.where(inside, tl.exp(value * scale - shift), 0.0)
    if keep:
        stored = exponential
        if kept.dtype.element_ty == tl.bfloat16:
            # The interpreter converts to and from bf16 by way of fp32 alone.
            stored = stored.to(tl.float32)
        tl.store(kept + place, stored.to(kept.dtype.element_ty), mask=inside)
    tl.store(row_parts + column_block * rows + row, tl.sum(exponential, 1), mask=row < rows)
    tl.store(column_parts + row_block * columns + column, tl.sum(exponential, 0), mask=column < columns)


@triton.jit
def logit_gradients(
    values, out, row_weights, column_weights, rows, columns, scale, shift,
    exponentiated: tl.constexpr, block_rows: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """E_ij (row_i + column_j) with E = exp(scale * values - shift), or E = values if `exponentiated`."""
    row = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    column = tl.program_id(1) * block_columns + tl.arange(0, block_columns)
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    place = row[:, None].to(tl.int64) * columns + column[None, :]
    row_weight = tl.load(row_weights + row, mask=row < rows, other=0.0)
    column_weight = tl.load(column_weights + column, mask=column < columns, other=0.0)
    exponential = tl.load(values + place, mask=inside, other=0.0)
    if values.dtype.element_ty == tl.bfloat16:
        exponential = exponential.to(tl.float32)
    exponential = exponential.to(row_weight.dtype)
    if not exponentiated:
        exponential = tl.exp(exponential * scale - shift)
    gradient = exponential * (row_weight[:, None] + column_weight[None, :])
    tl.store(out + place, gradient.to(out.dtype.element_ty), mask=inside)


@triton.jit
def sigmoids(
    values, out, softplus_parts, sigmoid_parts, rows, columns, scale, bias,
    block_rows: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """sigmoid(Z) of Z = scale * values + bias, and each block's sums of softplus(Z) and sigmoid(Z)."""
    row = tl.program_id(0) * block_rows + tl.arange(0, block_rows)
    column = tl.program_id(1) * block_columns + tl.arange(0, block_columns)
    inside = (row[:, None] < rows) & (column[None, :] < columns)
    place = row[:, None].to(tl.int64) * columns + column[None, :]
    logit = tl.load(values + place, mask=inside, other=0.0) * scale + bias
    small = tl.exp(-tl.abs(logit))
    # log(1 + small) with the rounding of 1 + small divided out again, as there is no log1p to call.
    shifted = 1.0 + small
    rounded = shifted - 1.0
    logarithm = tl.where(rounded == 0.0, small, tl.log(shifted) * (small / tl.where(rounded == 0.0, 1.0, rounded)))
    softplus = tl.where(inside, tl.where(logit > 0.0, logit, 0.0) + logarithm, 0.0)
    sigmoid = tl.where(inside, tl.where(logit >= 0.0, 1.0, small) / shifted, 0.0)
    # A comparison with not-a-number is false: without this a poisoned logit would end as a number.
    softplus = tl.where(logit == logit, softplus, logit)
    tl.store(out + place, sigmoid.to(out.dtype.element_ty), mask=inside)
    block = tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    tl.store(softplus_parts + block, tl.sum(tl.sum(softplus, 1), 0))
    tl.store(sigmoid_parts + block, tl.sum(tl.sum(sigmoid, 1), 0))
