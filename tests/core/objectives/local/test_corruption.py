from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.corruption import corrupt_ids, draw_fates, swap_values


@given(masked=st.floats(0, 1), seed=st.integers(0, 99), batch=st.integers(0, 3))
def test_fates_divide_the_chosen_tokens(masked: float, seed: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(batch, 20, generator=generator) < 0.5
    fate = draw_fates(chosen, masked, (1 - masked) / 2, generator)
    assert torch.equal(sum(part.long() for part in fate), chosen.long())


def test_shares_are_those_of_bert() -> None:
    fate = draw_fates(torch.ones(100, 1000, dtype=torch.bool), generator=torch.Generator().manual_seed(0))
    shares = [float(part.double().mean()) for part in fate]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.005)  # five standard errors


def test_ids_become_the_mask_another_token_or_stay() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 50, (200, 50), generator=generator)
    fate = draw_fates(torch.rand(ids.shape, generator=generator) < 0.5, generator=generator)
    corrupted = corrupt_ids(ids, fate, mask_id=3, vocabulary=50, generator=generator, first_id=4)
    assert (corrupted[fate.masked] == 3).all()
    untouched = ~(fate.masked | fate.swapped)
    assert torch.equal(corrupted[untouched], ids[untouched])
    swapped = corrupted[fate.swapped]
    assert int(swapped.min()) == 4 and int(swapped.max()) == 49
    assert float((swapped == ids[fate.swapped]).double().mean()) < 0.06


def test_swapped_values_come_from_real_tokens_of_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < torch.tensor([[6], [3]])
    values = torch.arange(12.0).view(2, 6, 1)
    fate = draw_fates(mask, 0.0, 1.0, generator)
    swapped = swap_values(values, fate, mask, generator)
    assert set(swapped[mask].flatten().tolist()) <= set(values[mask].flatten().tolist())
    assert torch.equal(swapped[~mask], values[~mask])
    nothing = torch.zeros_like(mask)
    assert torch.equal(swap_values(values, draw_fates(nothing), nothing), values)


def test_bad_shares_are_refused() -> None:
    chosen = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="shares"):
        draw_fates(chosen, 0.8, 0.3)
    with pytest.raises(ValueError, match="no token is left"):
        corrupt_ids(torch.zeros(1, 2, dtype=torch.int64), draw_fates(chosen), 3, 4, first_id=4)
