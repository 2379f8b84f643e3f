"""The `robustness` evaluation on a trained model of points and sentences."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.contracts.continuous import ContinuousInput
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.retrieval import retrieve
from crossmod.robustness.evaluation import evaluate, questions
from crossmod.robustness.scene import scene
from crossmod.robustness.settings import AttackSettings, GeneratedSettings, SetGuidedSettings, UniversalSettings
from crossmod.robustness.side import Side
from crossmod.robustness.transfer import sides_of, transfer_success
from crossmod.runs.model_folder import load_model
from crossmod.testing.tiny import domain
from crossmod.vectors.tower import VectorTower
from crossmod_report import text_table

BOTH = ["point → text", "text → point"]


def _rows(table, **wanted):
    return [row.cells for row in table.rows if all(row.cells.get(k) == v for k, v in wanted.items())]


def _mean_success(table, name, epsilon):
    return sum(row["asr@5"] for row in _rows(table, input=name, epsilon=epsilon)) / 2


def test_clean_rows_are_those_of_retrieval(context: EvaluationContext):
    (table,) = evaluate(context, SetGuidedSettings(budget=(0.03,)))
    for direction in retrieve(context, split="test"):
        (row,) = _rows(table, direction=direction.name, input="clean")
        assert row["recall@5"] == pytest.approx(100 * direction.metrics.recall[5])


def test_no_budget_changes_nothing_and_success_grows_with_it(context: EvaluationContext):
    settings = SetGuidedSettings(split="train", budget=(0.0, 0.03, 0.18, 0.5), recalls=(5,))
    (table,) = evaluate(context, settings)
    rates = [_mean_success(table, "sga", epsilon) for epsilon in settings.budgets]
    assert rates[0] == 0.0 and rates == sorted(rates) and rates[-1] > rates[1] + 20
    for row in _rows(table, epsilon=0.0):
        (clean,) = _rows(table, direction=row["direction"], input="clean")
        assert row["recall@5"] == clean["recall@5"] and row["asr@5"] == 0.0
    assert "ASR@5" in text_table(table)


def test_noise_and_the_guidance_of_another_are_weaker(context: EvaluationContext):
    (table,) = evaluate(context, SetGuidedSettings(split="train", budget=(0.18,), recalls=(5,)))
    attacked = _mean_success(table, "sga", 0.18)
    assert attacked > _mean_success(table, "random signs", 0.18)
    assert attacked > _mean_success(table, "guided by another", 0.18)


@pytest.mark.parametrize(
    "settings",
    [
        UniversalSettings(epochs=2, budget=0.5, recalls=(5,), modality="point"),
        GeneratedSettings(epochs=2, generator_widths=(16, 8), budget=0.5, recalls=(5,), modality="point"),
    ],
    ids=lambda settings: settings.attack,
)
def test_one_pattern_for_all_keeps_its_budget(context: EvaluationContext, settings: AttackSettings):
    side = Side(context.model, context.prepared, "point", "text", settings)
    values = side.attacked(0.5)
    moved = values - side.asked.values
    assert float(moved.abs().max()) <= 0.5 + 1e-6 and float(moved.abs().min()) > 0
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-6)
    (table,) = evaluate(context, settings)
    assert {row.cells["input"] for row in table.rows} == {"clean", settings.attack, "random pattern"}


def test_the_seed_decides_and_the_model_is_left_as_it_was(context: EvaluationContext):
    model = context.model
    state = {name: value.clone() for name, value in model.state_dict().items()}
    settings = SetGuidedSettings(budget=(0.18,), steps=2)
    tables = [text_table(evaluate(context, replace(settings, seed=seed))[0]) for seed in (0, 0)]
    assert tables[0] == tables[1]
    one, other = (
        Side(model, context.prepared, "point", "text", replace(settings, seed=s)).attacked(0.18) for s in (0, 1)
    )
    assert not torch.equal(one, other)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not model.training and all(p.requires_grad for p in model.parameters())


def test_the_size_of_a_batch_matters_to_nothing_but_the_random_start(context: EvaluationContext):
    prepared, model = context.prepared, context.model
    settings = SetGuidedSettings(noise=0.0, steps=40)
    large, small = (
        Side(model, prepared, "point", "text", replace(settings, batch_size=size)).attacked(0.02) for size in (64, 5)
    )
    assert float((large - small).abs().mean()) < 0.004


def test_every_item_is_guided_by_all_that_describes_it(context: EvaluationContext):
    asked = scene(context.model, context.prepared, modality="point", guide="text", split="test")
    item, guide = asked.pairs()
    assert torch.bincount(item).tolist() == [2] * 24
    assert torch.equal(asked.group[item], asked.guide_group[guide])
    expected = torch.stack([asked.guides[asked.guide_group == group].sum(0) for group in asked.group])
    assert torch.allclose(asked.sums(), expected)


def test_a_pass_for_universal_patterns_keeps_items_and_guides_together(context: EvaluationContext):
    asked = scene(context.model, context.prepared, modality="point", guide="text", split="test")
    groups = []
    for batch in asked.batches(context.model, 7)(torch.Generator().manual_seed(0)):
        for row, group in enumerate(batch.group.tolist()):
            own = batch.guides[batch.owner == row]
            assert torch.allclose(own.sum(0), asked.sums()[asked.group == group][0], atol=1e-6)
        groups += batch.group.tolist()
    assert sorted(groups) == sorted(asked.group.tolist())


def test_transfer_is_a_row_a_source_and_one_for_noise_and_a_column_a_target(
    context: EvaluationContext, runs: list[Path]
):
    models = {"first": context.model, "second": load_model(runs[1], domain)}
    settings = SetGuidedSettings(split="train", recalls=(5, 10))
    sides = sides_of(models, context.prepared, modality="point", guide="text", settings=settings)
    found = transfer_success(sides, 0.1)
    assert list(found) == BOTH
    for table in found.values():
        assert table.sources == ("first", "second", "random signs") and table.targets == ("first", "second")
        assert table.k == 5 and bool((table.rate[:2] > 0).all())
    mean = sum(table.rate for table in found.values()) / 2
    assert bool((mean[:2] > mean[2:]).all()), "what is made on either model fools both more than noise does"


def test_the_other_run_is_named_by_its_path(context: EvaluationContext, runs: list[Path]):
    settings = SetGuidedSettings(budget=(0.1, 0.5), recalls=(5,), transfer=str(runs[1]))
    attack, transfer = evaluate(context, settings)
    assert len(transfer.rows) == 12 and "transfer of sga on point" in transfer.title
    for row in _rows(attack, input="sga"):
        wanted = {"source": "this run", "direction": row["direction"], "epsilon": row["epsilon"]}
        (same,) = _rows(transfer, **wanted)
        assert same["target this run"] == pytest.approx(row["asr@5"])


def test_a_model_that_reads_other_units_is_refused(context: EvaluationContext):
    stranger = copy.deepcopy(context.model)
    stranger.tower("point").processor.mean[0] += 1.0
    models = {"this run": context.model, "stranger": stranger}
    with pytest.raises(UserError, match="the point of stranger is read in other units"):
        sides_of(models, context.prepared, modality="point", guide="text", settings=SetGuidedSettings())


def test_discrete_modalities_are_refused_by_name(context: EvaluationContext):
    model, prepared = context.model, context.prepared
    with pytest.raises(UserError, match="text is made of TextInputs, which hold no continuous values; choose"):
        questions(model, prepared, SetGuidedSettings(modality="text"))
    with pytest.raises(UserError, match="no modality 'voice'; it has point, text"):
        questions(model, prepared, SetGuidedSettings(modality="voice"))
    with pytest.raises(UserError, match="has both point and point"):
        questions(model, prepared, SetGuidedSettings(modality="point", guide="point"))
    assert questions(model, prepared, SetGuidedSettings()) == [("point", "text")]


def test_a_model_without_a_continuous_input_is_refused_with_every_reason(
    context: EvaluationContext, monkeypatch: pytest.MonkeyPatch
):
    model, prepared = context.model, context.prepared
    only_text = replace(prepared, inputs={**prepared.inputs, "point": prepared.inputs["text"]})
    reasons = "point is made of TextInputs, which hold .*; text is made of TextInputs, which hold .*; attack a model of"
    with pytest.raises(UserError, match=f"no modality of this model has a continuous input .*: {reasons}"):
        questions(model, only_text, SetGuidedSettings())
    monkeypatch.setattr(VectorTower, "continuous", None, raising=False)
    with pytest.raises(UserError, match="the VectorTower of point declares its input discrete; text is made of"):
        questions(model, prepared, SetGuidedSettings())
    with pytest.raises(UserError, match="the VectorTower of point declares its input discrete; choose"):
        questions(model, prepared, SetGuidedSettings(modality="point"))


def test_a_tower_declares_its_range_and_unit_and_the_settings_overrule_the_range(
    context: EvaluationContext, monkeypatch: pytest.MonkeyPatch
):
    low, high = (float(end) for end in context.prepared.inputs["point"].values.aminmax())
    declared = ContinuousInput("standard deviations", low, high)
    monkeypatch.setattr(VectorTower, "continuous", declared, raising=False)
    side = Side(context.model, context.prepared, "point", "text", SetGuidedSettings(steps=2, upper=high + 0.25))
    assert (side.budget(0.5).lower, side.budget(0.5).upper) == (low, high + 0.25)
    values = side.attacked(0.5)
    assert float(values.min()) >= low and high < float(values.max()) <= high + 0.25
    (table,) = evaluate(context, SetGuidedSettings(steps=1, budget=0.1))
    assert "The budget is in standard deviations." in table.note


@pytest.mark.parametrize(
    "wrong",
    [
        SetGuidedSettings(budget=()),
        SetGuidedSettings(recalls=(0,)),
        SetGuidedSettings(batch_size=0),
        SetGuidedSettings(noise=-1.0),
        SetGuidedSettings(steps=-1),
        UniversalSettings(epochs=-1),
        GeneratedSettings(generator_widths=(8,)),
    ],
)
def test_settings_that_no_attack_can_be_run_with_are_refused(wrong: AttackSettings):
    with pytest.raises(UserError, match="--"):
        wrong.build()


def test_the_settings_are_read_without_torch():
    code = "import sys, crossmod.robustness.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
