"""Packed sequences against the same block on a padded batch with a mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossmod.text.block import TransformerBlock
from crossmod.text.packed_tokens import Packing


def _batch(lengths: list[int], width: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(len(lengths))
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(*real.shape, width, generator=generator, dtype=torch.float64), real


def _block() -> TransformerBlock:
    torch.manual_seed(0)
    return TransformerBlock(8, 2, 2.0, 0.0, 1).double()


def _through(block: TransformerBlock, values: Tensor, real: Tensor) -> Tensor:
    packing = Packing.of(real)
    return packing.unpack(block(packing.pack(values), packing))


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_values_and_gradients_are_those_of_the_padded_batch(lengths: list[int]) -> None:
    block = _block()
    values, real = _batch(lengths)
    found = []
    for packed in (False, True):
        leaf = values.clone().requires_grad_()
        states = _through(block, leaf, real) if packed else block(leaf, real).masked_fill(~real[..., None], 0.0)
        gradients = torch.autograd.grad(states.square().sum(), [leaf, *block.parameters()])
        found.append([states.detach(), *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_one_call_with_a_mask_gives_what_a_call_a_length_gives() -> None:
    _, real = _batch([4, 1, 3, 3])
    packing = Packing.of(real)
    triple = torch.randn(len(packing.place), 24, dtype=torch.float64)
    torch.testing.assert_close(packing._padded(triple, 2), packing._by_length(triple, 2), rtol=1e-12, atol=1e-12)


def test_real_tokens_need_not_stand_in_front() -> None:
    values, real = _batch([4, 2, 4])
    real = real.flip(1)
    packing = Packing.of(real)
    assert packing.groups == ((1, 2), (2, 4)) and len(packing.place) == 10
    assert torch.equal(packing.unpack(packing.pack(values)), values.masked_fill(~real[..., None], 0.0))


def test_samples_without_tokens_and_empty_batches_have_no_part() -> None:
    values, real = _batch([3, 2])
    real[1] = False
    packing = Packing.of(real)
    assert packing.groups == ((1, 3),)
    states = _through(_block(), values, real)
    assert bool(states[0].any()) and not bool(states[1].any())
    nothing = Packing.of(real[:0])
    assert _block()(nothing.pack(values[:0]), nothing).shape == (0, 8)


def test_a_sequence_reads_no_other() -> None:
    values, real = _batch([3, 3, 5])
    changed = values.clone()
    changed[1] += 1
    before, after = (_through(_block(), each, real) for each in (values, changed))
    assert torch.equal(before[[0, 2]], after[[0, 2]]) and not torch.equal(before[1], after[1])


def test_a_batch_of_another_shape_is_refused() -> None:
    values, real = _batch([3, 2])
    with pytest.raises(ValueError, match="do not fit together"):
        Packing.of(real).pack(values[:, :2])
