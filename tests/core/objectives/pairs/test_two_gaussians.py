"""Acceptance check 3 of the sheet nevlp: a mixture of two Gaussians tells noisy losses from clean ones."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.objectives import noise_posterior


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("turned", [False, True])
def test_the_high_losses_are_noise_whichever_component_found_them(seed: int, turned: bool) -> None:
    draw = torch.Generator().manual_seed(seed)
    clean, noisy = 0.2 + 0.05 * torch.randn(900, generator=draw), 0.8 + 0.1 * torch.randn(100, generator=draw)
    losses = torch.cat([noisy, clean]) if turned else torch.cat([clean, noisy])
    found = noise_posterior(losses)
    high, low = (found[:100], found[100:]) if turned else (found[900:], found[:900])
    assert float((high > 0.5).float().mean()) >= 0.95 and float((low < 0.5).float().mean()) >= 0.95


def test_the_lowest_losses_are_never_noise_though_the_wide_component_reaches_below() -> None:
    losses = torch.cat([torch.full((50,), 1.0), 1 + 0.01 * torch.randn(900), 3 + torch.randn(200), torch.tensor([0.2])])
    assert float(noise_posterior(losses)[-1]) == 0


@pytest.mark.parametrize("losses", [torch.ones(5), torch.tensor([2.0]), torch.randn(2000)])
def test_one_kind_of_loss_is_no_noise(losses: torch.Tensor) -> None:
    assert not bool(noise_posterior(losses).any())


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40),
    factor=st.sampled_from([1.0, 1e-3, 1e6]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_every_posterior_is_a_probability(values: list[float], factor: float, dtype: torch.dtype) -> None:
    found = noise_posterior((torch.tensor(values, dtype=torch.float64) * factor).to(dtype))
    assert found.dtype == dtype and bool(((found >= 0) & (found <= 1)).all())


@pytest.mark.parametrize(
    "losses", [torch.zeros(0), torch.tensor([1.0, math.nan]), torch.tensor([math.inf]), torch.ones(2, 2)]
)
def test_what_is_no_table_of_losses_is_refused(losses: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="cannot tell noise"):
        noise_posterior(losses)
