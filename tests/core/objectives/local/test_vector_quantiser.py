from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.vector_quantiser import VectorQuantiser, nearest_codes
from crossmod.testing.ranks import run_ranks


@given(tokens=st.integers(0, 20), codes=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_nearest_code_is_that_of_all_distances(tokens: int, codes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(tokens, 4, generator=generator)
    codebook = torch.randn(codes, 4, generator=generator)
    distance = (features.double()[:, None] - codebook.double()).square().sum(2)
    chosen = distance.gather(1, nearest_codes(features, codebook)[:, None])[:, 0]
    assert torch.allclose(chosen, distance.amin(1), atol=1e-5)


def test_codes_far_from_the_origin_are_told_apart() -> None:
    codebook = torch.tensor([[1000.0, 1000.0], [1000.01, 1000.0]])
    assert nearest_codes(codebook, codebook).tolist() == [0, 1]


def test_autocast_does_not_blur_the_codes() -> None:
    codebook = 1 + torch.randn(200, 8) * 1e-2
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest_codes(codebook, codebook), torch.arange(200))


def test_stored_codes_give_back_the_output() -> None:
    quantiser = VectorQuantiser(6, 10).eval()
    found = quantiser(torch.randn(3, 5, 6))
    assert torch.allclose(quantiser.look_up(found.codes), found.values, atol=1e-6)


def test_the_gradient_passes_straight_through_and_leaves_the_codebook() -> None:
    quantiser = VectorQuantiser(6, 10)
    features = torch.randn(3, 5, 6, requires_grad=True)
    values = quantiser(features).values
    weight = torch.randn_like(values)
    (values * weight).sum().backward()
    assert torch.equal(features.grad, weight)
    assert list(quantiser.parameters()) == []


def test_the_commitment_is_the_squared_distance_of_the_real_tokens() -> None:
    quantiser = VectorQuantiser(4, 3).double()
    features = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(5) < torch.tensor([[5], [2]])
    found = quantiser(features, mask)
    expected = (features - quantiser.look_up(found.codes)).square()[mask].mean()
    assert torch.allclose(found.commitment, expected, rtol=1e-9)
    (gradient,) = torch.autograd.grad(found.commitment, features)
    by_hand = 2 * (features - quantiser.look_up(found.codes)) / (7 * 4)
    assert torch.allclose(gradient[mask], by_hand[mask]) and not gradient[~mask].any()
    nothing = quantiser(features, torch.zeros_like(mask))
    assert not nothing.commitment.any()


def test_an_update_is_the_moving_average_written_by_hand() -> None:
    quantiser = VectorQuantiser(2, 3, decay=0.8)
    first = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    quantiser.update(first, generator=torch.Generator().manual_seed(0))
    assert bool(quantiser.started)
    counts, sums = quantiser.average_counts.clone(), quantiser.average_sums.clone()
    batch = torch.tensor([[0.5, 0.0], [3.0, 0.0], [5.0, 1.0]])
    codes = nearest_codes(batch, quantiser.codebook)
    quantiser.update(batch)
    for code in range(3):
        members = batch[codes == code]
        count = 0.8 * float(counts[code]) + 0.2 * len(members)
        total = 0.8 * sums[code] + 0.2 * members.sum(0)
        assert float(quantiser.average_counts[code]) == pytest.approx(count, rel=1e-5)
        assert torch.allclose(quantiser.codebook[code], total / count, atol=1e-5)


def test_without_memory_an_update_is_one_step_of_lloyds_k_means() -> None:
    features = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    quantiser = VectorQuantiser(4, 12, decay=0.0)
    quantiser.update(features, generator=torch.Generator().manual_seed(1))
    errors = []
    for _ in range(6):
        before = quantiser.codebook.clone()
        codes = torch.cdist(features, before).argmin(1)
        quantiser.update(features)
        for code in range(12):
            members = features[codes == code]
            expected = members.mean(0) if len(members) else before[code]
            assert torch.allclose(quantiser.codebook[code], expected, atol=1e-5)
        errors.append(float(quantiser(features).commitment))
    assert all(b <= a + 1e-6 for a, b in pairwise(errors)) and errors[-1] < errors[0]


def test_a_code_that_is_no_longer_met_stays_where_it_is() -> None:
    quantiser = VectorQuantiser(1, 2, decay=0.5)
    quantiser.update(torch.tensor([[5.0], [-5.0]]))
    for _ in range(100):
        quantiser.update(torch.tensor([[5.0]]))
    assert sorted(quantiser.codebook.flatten().tolist()) == pytest.approx([-5, 5], abs=1e-4)


def test_dead_codes_are_revived() -> None:
    features = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    used = []
    for dead_below in (0.0, 0.1):
        generator = torch.Generator().manual_seed(1)
        quantiser = VectorQuantiser(4, 32, decay=0.5, dead_below=dead_below)
        quantiser.update(torch.full((1, 4), 50.0), generator=generator)  # a start that puts all codes on one place
        for _ in range(30):
            quantiser.update(features, generator=generator)
        used.append(len(quantiser(features).codes.unique()))
    assert used[0] == 1 and used[1] >= 24


def test_forward_changes_nothing_and_broken_features_are_passed_over() -> None:
    quantiser = VectorQuantiser(4, 5)
    quantiser.update(torch.randn(20, 4))
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser(torch.randn(3, 7, 4))
    broken = torch.randn(3, 4)
    broken[:, 1] = torch.nan
    quantiser.update(broken)
    quantiser.update(torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool))
    quantiser.update(torch.randn(0, 4))
    assert all(torch.equal(value, quantiser.state_dict()[name]) for name, value in before.items())
    assert quantiser(broken).codes.shape == (3, 1)
    assert quantiser(torch.randn(0, 7, 4)).values.shape == (0, 7, 4)


def test_a_step_may_update_before_backward() -> None:
    quantiser = VectorQuantiser(4, 5)
    features = torch.randn(6, 4, requires_grad=True)
    found = quantiser(features)
    quantiser.update(features)
    (found.commitment + found.values.sum()).backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_type_and_its_codes(dtype: torch.dtype) -> None:
    quantiser = VectorQuantiser(4, 5)
    features = torch.randn(6, 4).to(dtype)
    found = quantiser(features)
    assert found.values.dtype == dtype and found.commitment.dtype == torch.float32
    assert torch.equal(found.codes, quantiser(features.float()).codes)


def test_its_state_is_checkpointed() -> None:
    quantiser, other = VectorQuantiser(4, 5), VectorQuantiser(4, 5)
    quantiser.update(torch.randn(20, 4))
    other.load_state_dict(quantiser.state_dict())
    batch = torch.randn(9, 4)
    for each in (quantiser, other):
        each.update(batch)
    assert torch.equal(quantiser.codebook, other.codebook)
    with pytest.raises(ValueError, match="cannot learn"):
        VectorQuantiser(4, 5, decay=1.0)


def test_two_processes_are_one(tmp_path: Path) -> None:
    worker = Path(__file__).with_name("quantiser_worker.py")
    run_ranks(worker, 2, tmp_path / "store", str(tmp_path))
    alone = runpy.run_path(str(worker))
    expected = alone["moved"](torch.arange(12.0).view(4, 3), torch.cat(alone["rows"]()))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert all(torch.allclose(value, found[name], atol=1e-5) for name, value in expected.items())
        assert torch.equal(found["usage"], expected["usage"])
