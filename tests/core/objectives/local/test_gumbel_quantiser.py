from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.code_usage import code_diversity_loss
from crossmod.objectives.local.gumbel_quantiser import (
    GumbelQuantiser,
    gumbel_one_hot,
    gumbel_temperature,
    replace_by_codes,
)


def test_picks_follow_the_softmax_of_the_logits() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0]).expand(30_000, 3)
    picked = gumbel_one_hot(logits, 2.0, torch.Generator().manual_seed(0))
    assert torch.allclose(picked.mean(0), logits[0].softmax(0), atol=0.012)  # four standard errors
    assert torch.allclose(picked.amax(1), torch.ones(30_000), atol=1e-6)


def test_its_gradient_is_that_of_the_noisy_softmax() -> None:
    logits = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 5, dtype=torch.float64)
    picked = gumbel_one_hot(logits, 0.7, torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad((picked * weight).sum(), logits)
    draw = torch.rand(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    soft = ((logits - (-draw.log()).log()) / 0.7).softmax(-1)
    (expected,) = torch.autograd.grad((soft * weight).sum(), logits)
    assert torch.allclose(gradient, expected)
    assert (gradient != 0).all(), "codes that were not picked learn too"


def test_evaluation_picks_the_likeliest_code_without_noise() -> None:
    quantiser = GumbelQuantiser(8, codes=5, groups=2).eval()
    features = torch.randn(2, 6, 8)
    found, again = quantiser(features), quantiser(features)
    assert torch.equal(found.values, again.values)
    expected = torch.cat([quantiser.codebook[g][found.codes[..., g]] for g in range(2)], -1)
    assert torch.allclose(found.values, expected)
    assert torch.equal(found.codes, quantiser.score(features).unflatten(-1, (2, 5)).argmax(-1))


def test_probabilities_are_means_over_real_tokens() -> None:
    quantiser = GumbelQuantiser(8, codes=5, groups=2)
    features = torch.randn(2, 6, 8)
    mask = torch.arange(6) < torch.tensor([[6], [2]])
    found = quantiser(features, mask)
    soft = quantiser.score(features).unflatten(-1, (2, 5)).softmax(-1)
    assert torch.allclose(found.probabilities, soft[mask].mean(0), atol=1e-6)
    assert torch.allclose(found.probabilities.sum(1), torch.ones(2))


def test_both_modalities_move_encoder_and_codebook() -> None:
    quantiser = GumbelQuantiser(8, codes=5, groups=2)
    for _ in range(2):
        quantiser.zero_grad()
        features = torch.randn(2, 6, 8, requires_grad=True)
        found = quantiser(features, temperature=2.0)
        mixed = replace_by_codes(features, found.values, torch.ones(2, 6, dtype=torch.bool), 1.0)
        assert torch.equal(mixed, found.values)
        (mixed.square().sum() + code_diversity_loss(found.probabilities)).backward()
        assert features.grad.any() and quantiser.codebook.grad.any() and quantiser.score.weight.grad.any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_code_leaves_the_encoder_and_all_codes_still_teach_it(share: float) -> None:
    quantiser = GumbelQuantiser(8, codes=5, groups=2)
    features = torch.randn(2, 6, 8, requires_grad=True)
    values = quantiser(features, temperature=2.0).values
    mixed = replace_by_codes(features, values, torch.ones(2, 6, dtype=torch.bool), share)
    assert torch.equal(mixed, values if share else features)
    (mixed * torch.randn(8)).sum().backward()
    assert features.grad.any() and (quantiser.codebook.grad is not None and quantiser.codebook.grad.any()) == bool(
        share
    )


@given(lengths=st.lists(st.integers(0, 20), max_size=4), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_the_stated_share_of_real_tokens_is_replaced(lengths: list[int], share: float, seed: int) -> None:
    mask = torch.arange(20) < torch.tensor(lengths, dtype=torch.int64)[:, None]
    states, values = torch.zeros(len(lengths), 20, 2), torch.ones(len(lengths), 20, 2)
    mixed = replace_by_codes(states, values, mask, share, torch.Generator().manual_seed(seed))
    replaced = mixed[..., 0] == 1
    assert not (replaced & ~mask).any()
    assert replaced.sum(1).tolist() == [int(length * share + 1e-9) for length in lengths]


def test_the_released_code_replaces_the_same_places_everywhere() -> None:
    mask = torch.arange(20) < torch.tensor([[20], [3]])
    mixed = replace_by_codes(torch.zeros(2, 20, 2), torch.ones(2, 20, 2), mask, 0.5, release_compat=True)
    assert torch.equal(mixed[0], mixed[1]) and int(mixed[0, :, 0].sum()) == 10


def test_temperature_falls_to_its_end() -> None:
    assert gumbel_temperature(0) == 2.0
    assert gumbel_temperature(100_000) == pytest.approx(2 * 0.999995**100_000)
    assert gumbel_temperature(10**7) == 0.5
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature"):
            gumbel_one_hot(torch.zeros(1, 2), wrong)
    with pytest.raises(ValueError, match="share"):
        replace_by_codes(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), 1.5)
    with pytest.raises(ValueError, match="groups"):
        GumbelQuantiser(5, groups=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_empty_batches(dtype: torch.dtype) -> None:
    quantiser = GumbelQuantiser(8, codes=5, groups=2).to(dtype)
    found = quantiser(torch.randn(2, 6, 8).to(dtype), torch.zeros(2, 6, dtype=torch.bool))
    assert found.values.dtype == dtype and torch.isfinite(found.values).all()
    assert not found.probabilities.any()
    assert quantiser(torch.randn(0, 6, 8).to(dtype)).values.shape == (0, 6, 8)
