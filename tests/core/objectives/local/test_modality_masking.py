from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.modality_masking import dirichlet_masking, dirichlet_shares


def _masks(batch: int) -> dict[str, torch.Tensor]:
    return {name: torch.ones(batch, 196, dtype=torch.bool) for name in ("rgb", "depth", "classes")}


@pytest.mark.parametrize("concentration", [0.1, 1.0, 100.0])
def test_every_sample_encodes_exactly_the_stated_number(concentration: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        keep = dirichlet_masking(_masks(2500), 98, concentration, generator)
        assert (torch.cat(list(keep.values()), 1).sum(1) == 98).all()


def test_more_visible_tokens_than_one_modality_has_are_made_up_from_the_others() -> None:
    keep = dirichlet_masking(_masks(500), 300, 0.05, torch.Generator().manual_seed(0))
    assert (torch.cat(list(keep.values()), 1).sum(1) == 300).all()


def test_shares_have_equal_means_and_spread_less_as_the_concentration_grows() -> None:
    present = torch.ones(20_000, 3, dtype=torch.bool)
    spreads = []
    for concentration in (0.1, 1.0, 100.0):
        shares = dirichlet_shares(present, concentration, torch.Generator().manual_seed(1))
        assert torch.allclose(shares.sum(1), torch.ones(20_000, dtype=torch.float64))
        assert (shares.mean(0) - 1 / 3).abs().max() < 0.015
        # Dirichlet's variance, (1/n)(1 - 1/n) / (n alpha + 1).
        expected = (1 / 3) * (2 / 3) / (3 * concentration + 1)
        assert torch.allclose(shares.var(0), torch.full((3,), expected, dtype=torch.float64), rtol=0.08)
        spreads.append(float(shares.var(0).mean()))
    assert spreads == sorted(spreads, reverse=True)


def test_subsets_are_drawn_with_equal_chance() -> None:
    present = torch.ones(14_000, 3, dtype=torch.bool)
    shares = dirichlet_shares(present, 100.0, torch.Generator().manual_seed(0), subsets_uniformly=True)
    number = ((shares > 0.05).long() * torch.tensor([1, 2, 4])).sum(1)
    counts = torch.bincount(number, minlength=8)
    assert counts[0] == 0
    assert ((counts[1:] - 2000).abs() < 4 * (2000 * 6 / 7) ** 0.5).all()


@given(seed=st.integers(0, 500), visible=st.integers(1, 30), batch=st.integers(0, 5))
def test_padding_is_never_counted_and_a_missing_modality_gets_nothing(seed: int, visible: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = {
        "a": torch.rand(batch, 7, generator=generator) < 0.7,
        "b": torch.zeros(batch, 4, dtype=torch.bool),
        "c": torch.rand(batch, 9, generator=generator) < 0.4,
    }
    keep = dirichlet_masking(masks, visible, 1.0, generator)
    assert all((keep[name] | masks[name]).all() for name in masks)
    kept = sum((keep[name] & masks[name]).sum(1) for name in masks)
    real = sum(mask.sum(1) for mask in masks.values())
    assert torch.equal(kept, real.clamp(max=visible))
    assert not dirichlet_shares(torch.stack([m.any(1) for m in masks.values()], 1), 1.0, generator)[:, 1].any()


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="concentration"):
        dirichlet_masking(_masks(1), 98, 0.0)
    with pytest.raises(ValueError, match="batches"):
        dirichlet_masking({"a": torch.ones(2, 3, dtype=torch.bool), "b": torch.ones(3, 3, dtype=torch.bool)}, 2)
    with pytest.raises(ValueError, match="visible tokens"):
        dirichlet_masking(_masks(1), 0)
