"""Calibration errors: closed forms, a transcription, and the edges of the bins."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod_metrics import brier, calibration, class_brier, class_calibration


def slow_expected_error(confidence, came_true, bins):
    error = 0.0
    for index in range(bins):
        inside = [
            place
            for place, value in enumerate(confidence)
            if index / bins < value <= (index + 1) / bins or (index == 0 and value == 0)
        ]
        if inside:
            mean = sum(confidence[place] for place in inside) / len(inside)
            frequency = sum(came_true[place] for place in inside) / len(inside)
            error += abs(frequency - mean) * len(inside) / len(confidence)
    return error


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=25),
    bins=st.integers(1, 16),
)
def test_expected_error_equals_the_definition(rows, bins):
    confidence, came_true = [value for value, _ in rows], [int(truth) for _, truth in rows]
    found = calibration(torch.tensor(confidence), torch.tensor(came_true), bins)
    assert found.expected_error == pytest.approx(slow_expected_error(confidence, came_true, bins), abs=1e-9)
    assert found.maximum_error >= found.expected_error - 1e-12
    assert int(found.count.sum()) == len(rows)


def test_honest_forecasts_have_no_error_and_sure_lies_all_of_it():
    honest = calibration(torch.full((4,), 0.75), torch.tensor([1, 1, 1, 0]))
    assert honest.expected_error == 0.0
    lying = calibration(torch.ones(3), torch.zeros(3))
    assert (lying.expected_error, lying.maximum_error) == (1.0, 1.0)
    assert int(lying.count[-1]) == 3
    assert bool(lying.confidence[:-1].isnan().all())


def test_class_calibration_reads_the_top_class():
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    found = class_calibration(probabilities, torch.tensor([0, 1, 0]), bins=10)
    expected = calibration(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 1, 0]), bins=10)
    assert found.expected_error == expected.expected_error


def test_brier_closed_forms():
    assert brier(torch.tensor([1.0, 0.0]), torch.tensor([1, 0])) == 0.0
    assert brier(torch.full((6,), 0.5), torch.tensor([1, 0, 1, 1, 0, 0])) == 0.25
    assert class_brier(torch.tensor([[0.0, 1.0]]), torch.tensor([0])) == 2.0
    positive = torch.tensor([0.3, 0.9], dtype=torch.float64)
    both = torch.stack((1 - positive, positive), dim=1)
    assert class_brier(both, torch.tensor([1, 0])) == pytest.approx(2 * brier(positive, torch.tensor([1, 0])))


def test_half_precision_is_computed_in_double():
    stated = torch.tensor([0.3, 0.6]).bfloat16()
    assert brier(stated, torch.tensor([0, 1])) == brier(stated.double(), torch.tensor([0, 1]))


def test_hostile_input_is_refused_in_words():
    with pytest.raises(ValueError, match="probabilities, not logits"):
        brier(torch.tensor([2.0]), torch.tensor([1]))
    with pytest.raises(ValueError, match="NaN"):
        calibration(torch.tensor([torch.nan]), torch.tensor([1]))
    with pytest.raises(ValueError, match="confidence is empty"):
        calibration(torch.ones(0), torch.ones(0))
    with pytest.raises(ValueError, match="bins is 0"):
        calibration(torch.ones(1), torch.ones(1), bins=0)
    with pytest.raises(ValueError, match="labels spans 2 to 2"):
        class_brier(torch.ones(1, 2) / 2, torch.tensor([2]))
    with pytest.raises(ValueError, match="confidence 2, came_true 1"):
        calibration(torch.ones(2), torch.ones(1))
