"""Packed sequences against the same block on a padded batch with a mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.text.block import TransformerBlock
from crossmod.text.packed_tokens import PackedTokens, packed_block


def _batch(lengths: list[int], width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(len(lengths))
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(*real.shape, width, generator=generator, dtype=torch.float64), real


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_values_and_gradients_are_those_of_the_padded_batch(lengths: list[int]) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, 2.0, 0.0, 1).double()
    values, real = _batch(lengths)
    found = []
    for packed in (False, True):
        leaf = values.clone().requires_grad_()
        if packed:
            packing = PackedTokens.of(leaf, real)
            states = packing.padded(packed_block(block, packing.values, packing))
        else:
            states = block(leaf, real).masked_fill(~real[..., None], 0.0)
        gradients = torch.autograd.grad(states.square().sum(), [leaf, *block.parameters()])
        found.append([states.detach(), *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_real_tokens_need_not_stand_in_front() -> None:
    values, real = _batch([4, 2, 4])
    real = real.flip(1)
    packing = PackedTokens.of(values, real)
    assert packing.groups == ((1, 2), (2, 4)) and len(packing.values) == 10
    restored = packing.padded(packing.values)
    assert torch.equal(restored, values.masked_fill(~real[..., None], 0.0))


def test_samples_without_tokens_and_empty_batches_have_no_part() -> None:
    values, real = _batch([3, 2])
    real[1] = False
    packing = PackedTokens.of(values, real)
    assert packing.groups == ((1, 3),) and not bool(packing.padded(packing.values)[1].any())
    block = TransformerBlock(8, 2, 2.0, 0.0, 1).double()
    nothing = PackedTokens.of(values[:0], real[:0])
    assert packed_block(block, nothing.values, nothing).shape == (0, 8)


def test_a_sequence_reads_no_other() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, 2.0, 0.0, 1).double()
    values, real = _batch([3, 3, 5])
    changed = values.clone()
    changed[1] += 1
    before, after = (
        packing.padded(packed_block(block, packing.values, packing))
        for packing in (PackedTokens.of(values, real), PackedTokens.of(changed, real))
    )
    assert torch.equal(before[[0, 2]], after[[0, 2]]) and not torch.equal(before[1], after[1])


def test_a_mask_that_does_not_fit_is_refused() -> None:
    values, real = _batch([3, 2])
    with pytest.raises(ValueError, match="do not fit together"):
        PackedTokens.of(values, real[:, :2])
