"""What is settled on validation: the cut of F1, and the scale of probabilities; what a scale cannot change."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.errors import UserError
from crossmod.evaluation import zero_shot
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.decisions import calibration_error, f1_at_chosen_cut, probabilities
from crossmod.evaluation.labelled import Labelled
from crossmod.evaluation.margins import Margins, macro_auroc
from crossmod.evaluation.settings import ZeroShotSettings
from crossmod_metrics import roc_auc


def margins(margin: list[float] | Tensor, truth: list[int] | Tensor, subject: Tensor | None = None) -> Margins:
    values = torch.as_tensor(truth, dtype=torch.float64)
    place = torch.arange(len(values))
    found = Labelled(place, values, place if subject is None else subject, place)
    return Margins(found, torch.as_tensor(margin, dtype=torch.float64))


def drawn(samples: int, seed: int, *, slope: float = 4.0, per_subject: int = 1) -> Margins:
    """Margins whose outcomes come true with probability sigmoid(slope * margin)."""
    draw = torch.Generator().manual_seed(seed)
    margin = torch.randn(samples, generator=draw, dtype=torch.float64)
    truth = torch.rand(samples, generator=draw, dtype=torch.float64) < torch.sigmoid(slope * margin)
    return margins(margin, truth.double(), torch.arange(samples) // per_subject)


def test_the_cut_is_validation_s_even_where_test_would_choose_another() -> None:
    validation = margins([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1])  # cut 1.5
    test = margins([0.0, 1.0, 2.0, 3.0], [0, 1, 1, 1])
    assert f1_at_chosen_cut(test, validation) == pytest.approx(2 * 2 / (2 + 3))
    assert f1_at_chosen_cut(margins([-5.0, -4.0], [1, 1]), validation) == 0.0


def test_probability_is_the_softmax_of_the_two_prompts_and_exchanging_them_mirrors_it() -> None:
    cosine = torch.tensor([[0.1, 0.3], [0.4, -0.2]], dtype=torch.float64)
    one = margins(cosine[:, 1] - cosine[:, 0], [1, 0])
    other = margins(cosine[:, 0] - cosine[:, 1], [1, 0])
    for scale in (1.0, 2.718, 100.0):
        expected = (scale * cosine).softmax(1)[:, 1]
        torch.testing.assert_close(probabilities(one, None, scale), expected)
        torch.testing.assert_close(probabilities(other, None, scale), 1 - expected)


def test_a_scale_moves_probabilities_and_calibration_but_no_auroc() -> None:
    scored = drawn(400, 0)
    small, large = probabilities(scored, None, 1.0), probabilities(scored, None, 30.0)
    assert not torch.allclose(small, large)
    assert calibration_error(scored, None, 1.0) != pytest.approx(calibration_error(scored, None, 30.0), abs=0.02)
    assert roc_auc(small, scored.truth) == pytest.approx(roc_auc(large, scored.truth))
    assert roc_auc(small, scored.truth) == pytest.approx(macro_auroc([scored], resamples=0, seed=0).mean)


def test_scale_and_offset_are_found_on_validation() -> None:
    validation, scored = drawn(4000, 1), drawn(4000, 2)
    shifted = Margins(validation.found, validation.margin + 3), Margins(scored.found, scored.margin + 3)
    torch.testing.assert_close(
        probabilities(shifted[1], shifted[0], 0.0), torch.sigmoid(4 * scored.margin), rtol=0, atol=0.05
    )
    assert calibration_error(shifted[1], shifted[0], 0.0) < 0.03 < calibration_error(shifted[1], None, 4.0)
    with pytest.raises(ValueError, match="both classes"):
        probabilities(scored, None, 0.0)
    with pytest.raises(ValueError, match="both classes"):
        probabilities(scored, margins([0.0, 1.0], [1, 1]), 0.0)


def test_intervals_shrink_with_subjects_and_are_the_same_for_the_same_seed() -> None:
    few = macro_auroc([drawn(60, 3, slope=1.0)], resamples=300, seed=0)
    many = macro_auroc([drawn(1000, 3, slope=1.0)], resamples=300, seed=0)
    assert few.low is not None and few.high is not None and many.low is not None and many.high is not None
    assert 0 < many.high - many.low < (few.high - few.low) / 2
    assert few == macro_auroc([drawn(60, 3, slope=1.0)], resamples=300, seed=0)
    assert few != macro_auroc([drawn(60, 3, slope=1.0)], resamples=300, seed=1)
    # Ten items of one patient count as one draw.
    clustered = macro_auroc([drawn(1000, 3, slope=1.0, per_subject=100)], resamples=300, seed=0)
    assert clustered.mean == pytest.approx(many.mean) and (clustered.low, clustered.high) != (many.low, many.high)
    assert macro_auroc([margins([0.0, 1.0], [0, 1], torch.zeros(2).long())], resamples=100, seed=0).low is None


def test_the_mean_of_labels_takes_items_that_know_one_alone() -> None:
    first, second = margins([0.0, 1.0, 2.0], [0, 1, 1]), margins([3.0, 1.0, 2.0], [0, 1, 1])
    part = second.where(torch.tensor([True, True, False]))
    assert macro_auroc([first, part], resamples=0, seed=0).mean == pytest.approx((1.0 + 0.0) / 2)


def _two(context: EvaluationContext) -> Label:
    return context.prepared.corpus.labels["upper"]


def test_the_table_gives_what_a_cut_and_a_scale_decide(context: EvaluationContext) -> None:
    (table,) = zero_shot.evaluate(context, ZeroShotSettings(resamples=50))
    cells, mean = table.rows[0].cells, table.rows[1].cells
    assert mean["label"] == "mean of 1" and {"auroc", "low", "high", "auprc", "f1", "ece"} <= mean.keys()
    assert float(cells["auprc"]) > float(cells["positive"]) and float(cells["f1"]) > 0.6
    assert "best on validation" in table.note and "fitted on validation" in table.note
    (at_scale,) = zero_shot.evaluate(context, ZeroShotSettings(resamples=50, scale=1.0))
    assert at_scale.rows[0].cells["ece"] != cells["ece"] and "at scale 1" in at_scale.note
    assert {**at_scale.rows[0].cells, "ece": 0} == {**cells, "ece": 0}


def test_validation_itself_gets_no_cut_of_its_own(context: EvaluationContext) -> None:
    (table,) = zero_shot.evaluate(context, ZeroShotSettings(split="validation", resamples=0))
    assert not {"f1", "ece"} & table.rows[0].cells.keys() and "F1" not in table.note
    values = _two(context).values.copy()
    values[context.prepared.corpus.rows("validation")] = 1.0
    corpus = replace(context.prepared.corpus, labels={"upper": replace(_two(context), values=values)})
    one_class = EvaluationContext(context.model, context.recipe, ready=replace(context.prepared, corpus=corpus))
    (table,) = zero_shot.evaluate(one_class, ZeroShotSettings(resamples=0))
    assert not {"f1", "ece"} & table.rows[0].cells.keys() and "auroc" in table.rows[0].cells


def test_impossible_options_are_refused() -> None:
    for options in ({"scale": -1.0}, {"scale": float("nan")}, {"resamples": -1}):
        with pytest.raises(UserError, match="0 or more"):
            ZeroShotSettings(**options)
