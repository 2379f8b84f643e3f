"""Bootstrap intervals: known standard errors, groups, seeds, and the equality of the two forms."""

from __future__ import annotations

import pytest
import torch

from crossmod_metrics import bootstrap, bootstrap_mean, bootstrap_statistic, ranks_from_scores


def values(count=400, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_standard_error_and_the_interval_of_a_mean_are_the_normal_ones():
    sample = values()
    found = bootstrap_mean(sample, seed=1, resamples=4000)
    expected = float(sample.std(correction=0)) / 20
    assert found.estimate == pytest.approx(float(sample.mean()))
    assert found.standard_error == pytest.approx(expected, rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected, rel=0.07)
    assert found.low < found.estimate < found.high


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    covered = 0
    for seed in range(300):
        found = bootstrap_mean(values(60, seed), seed=seed, resamples=300, confidence=0.9)
        covered += found.low <= 0.0 <= found.high
    assert 0.83 <= covered / 300 <= 0.95


def test_copies_within_a_group_do_not_shrink_the_interval():
    sample = values(100)
    group = torch.arange(100)
    single = bootstrap_mean(sample, group, seed=2)
    copied = bootstrap_mean(sample.repeat(7), group.repeat(7), seed=2)
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high))
    assert copied.groups == 100
    blind = bootstrap_mean(sample.repeat(7), seed=2)
    assert blind.high - blind.low < 0.6 * (single.high - single.low)


def test_an_interval_by_patient_shrinks_with_patients_and_not_with_their_images():
    def width(patients, images):
        of_patient = values(patients, seed=11).repeat_interleave(images)
        found = bootstrap_mean(of_patient, torch.arange(patients).repeat_interleave(images), seed=3)
        return found.high - found.low

    widths = [width(patients, 2) for patients in (20, 80, 320)]
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2] > 0
    assert width(80, 20) == pytest.approx(width(80, 2))


def test_uneven_groups_weigh_by_their_samples():
    sample = torch.tensor([1.0, 0.0, 0.0, 0.0])
    found = bootstrap_mean(sample, torch.tensor([7, 3, 3, 3]), seed=3)
    assert found.estimate == 0.25
    # Two groups: a resample is all of one, all of the other, or both.
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_two_forms_agree_draw_for_draw():
    sample, group = values(50), torch.arange(50) % 13
    mean = bootstrap_mean(sample, group, seed=4, resamples=200)
    called = bootstrap_statistic(lambda drawn: float(sample[drawn].mean()), 50, group, seed=4, resamples=200)
    for name in ("estimate", "low", "high", "standard_error"):
        assert getattr(mean, name) == pytest.approx(getattr(called, name))


def test_a_seed_fixes_the_interval_the_block_size_does_not_touch_it_and_the_global_state_is_left_alone(monkeypatch):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = bootstrap_mean(values(), seed=6)
    assert torch.equal(torch.rand(3), expected)
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 1000)
    assert bootstrap_mean(values(), seed=6) == first
    assert bootstrap_mean(values(), seed=7) != first


def test_recall_from_ranks_to_interval():
    scores = torch.eye(30) + 0.9 * torch.rand(30, 30, generator=torch.Generator().manual_seed(8)).round()
    places = ranks_from_scores(scores, torch.eye(30, dtype=torch.bool))
    found = bootstrap_mean((places <= 5).double(), seed=0)
    assert 0.0 <= found.low <= found.estimate <= found.high <= 1.0
    assert found.estimate == float((places <= 5).double().mean())


def test_resamples_without_a_value_do_not_count():
    truth = torch.tensor([1.0, 0.0, 0.0, 0.0])

    def share_where_both_occur(drawn):
        share = float(truth[drawn].mean())
        return share if 0 < share < 1 else float("nan")

    found = bootstrap_statistic(share_where_both_occur, 4, seed=0, resamples=400)
    # A resample of four lacks the one positive with probability (3/4)^4.
    assert found.resamples == pytest.approx(400 * (1 - 0.75**4), rel=0.1)
    assert found.low >= 0.25
    with pytest.raises(ValueError, match="NaN on 50 of 50 resamples"):
        bootstrap_statistic(lambda drawn: float("nan"), 4, seed=0, resamples=50)


def test_one_sample_has_an_interval_of_one_point():
    found = bootstrap_mean(torch.tensor([0.4]), seed=0)
    assert found.low == found.high == pytest.approx(0.4)
    assert found.standard_error == 0.0


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="values is empty"):
        bootstrap_mean(torch.ones(0), seed=0)
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_mean(torch.tensor([torch.nan, 1.0]), seed=0)
    with pytest.raises(ValueError, match="values 2, group 3"):
        bootstrap_mean(torch.ones(2), torch.arange(3), seed=0)
    with pytest.raises(ValueError, match="confidence is 95"):
        bootstrap_mean(torch.ones(2), seed=0, confidence=95)
    with pytest.raises(ValueError, match="nothing to resample"):
        bootstrap_statistic(lambda drawn: 0.0, 0, seed=0)
