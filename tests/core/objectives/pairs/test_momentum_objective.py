"""ALBEF and TCL as terms of a recipe: the sheets' checks on slow towers, queues and what they equal without them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import linear, normalize

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives import MomentumObjective, momentum_contrast
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.pairs.state_settings import MomentumContrast
from crossmod.recipe import EmbeddingSettings
from crossmod.testing.tiny import TinyData
from crossmod.text.settings import TextTransformer
from crossmod.training.backward import backward
from crossmod.training.forwards import BatchForwards
from crossmod.training.prepare import Prepared, prepare
from crossmod.vectors.settings import VectorEncoder
from crossmod_kernels import infonce

TEXT = TextTransformer(depth=1, width=16, heads=2, length=24, vocabulary=300, dropout=0.0)


def _parts(settings: MomentumContrast) -> tuple[Prepared, CrossModal, Mixture, MomentumObjective]:
    torch.manual_seed(0)
    corpus = TinyData(points=24).build()
    encoders = {"point": VectorEncoder(width=16), "text": TEXT}
    processors = {name: entry.fit_processor(corpus.training_items(name)) for name, entry in encoders.items()}
    towers = {name: entry.build(processors[name]) for name, entry in encoders.items()}
    mixture = Mixture({"term": settings}, towers)
    objective = mixture.objectives["term"]
    assert isinstance(objective, MomentumObjective)
    prepared = prepare(corpus, processors, workers=0, max_rejected=0)
    return prepared, CrossModal(towers, EmbeddingSettings(width=8)), mixture, objective


def _settings(**options: object) -> MomentumContrast:
    return MomentumContrast(**{"a": "text", "b": "point", "width": 8, "queue": 20, **options})


def _projected(forwards: BatchForwards, objective: MomentumObjective) -> list[torch.Tensor]:
    sides = (objective.a, objective.b)
    return [linear(forwards.features(side.modality).pooled, side.project.weight, side.project.bias) for side in sides]


@pytest.mark.parametrize("groups", [True, False])
def test_undistilled_with_an_empty_queue_and_fresh_twins_it_is_clip(groups: bool) -> None:
    """albef 1."""
    prepared, model, mixture, objective = _parts(_settings(share=0.0, groups=groups))
    with torch.no_grad():  # as after weights were loaded from elsewhere: twins start from what they first follow
        for parameter in model.towers.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    batch = prepared.batch(torch.arange(12))
    forwards = BatchForwards(model, batch)
    a, b = _projected(forwards, objective)
    group = batch.group if groups else None
    expected = infonce(a, b, objective.scale(), group_a=group, group_b=group)
    assert torch.allclose(mixture(forwards, batch, 0).loss, expected, atol=1e-5)


def test_twins_move_before_they_are_asked_and_have_no_gradient() -> None:
    """albef 2: theta_m = 0.995 old + 0.005 new, and constants are constants."""
    prepared, model, mixture, objective = _parts(_settings())
    batch = prepared.batch(torch.arange(12))
    backward(model, mixture, batch, 0)
    slow = dict(objective.a.slow_tower.module.named_parameters())
    old = {name: value.clone() for name, value in slow.items()}
    with torch.no_grad():
        for parameter in model.towers.text.parameters():
            parameter.add_(1.0)
    backward(model, mixture, batch, 1)
    for name, parameter in model.towers.text.named_parameters():
        assert torch.allclose(slow[name], 0.995 * old[name] + 0.005 * parameter.detach(), atol=1e-6)
    grown = {name for name, p in mixture.named_parameters() if p.grad is not None}
    assert grown == {f"objectives.term.{x}" for x in ("scale.log_scale", *_own(objective))}
    assert all(not p.requires_grad for p in slow.values())


def _own(objective: MomentumObjective) -> list[str]:
    return [f"{side}.project.{part}" for side in "ab" for part in ("weight", "bias")]


@pytest.mark.parametrize("groups", [True, False])
def test_the_queue_takes_the_batch_after_the_loss_and_says_which_of_its_rows_are_positives(groups: bool) -> None:
    """albef 3, and its targets: queued sentences about a point of the batch are negatives in pre-training alone."""
    prepared, model, mixture, objective = _parts(_settings(share=0.0, groups=groups))
    first, second = prepared.batch(torch.arange(0, 16, 2)), prepared.batch(torch.arange(1, 17, 2))
    mixture(BatchForwards(model, first), first, 0)
    assert torch.equal(objective.a.queue.rows().group.sort().values, first.group.sort().values)
    assert set(second.group.tolist()) <= set(first.group.tolist())
    forwards, rows = BatchForwards(model, second), torch.arange(8)
    for side in (objective.a, objective.b):
        side.follow_(forwards.tower(side.modality))
    keys = [side.see(forwards, second, rows, local=False).keys for side in (objective.a, objective.b)]
    expected = {
        True: momentum_contrast(
            *_projected(forwards, objective), objective.scale(), *keys, share=0.0, group=second.group
        ).loss,
        False: momentum_contrast(
            *_projected(forwards, objective),
            objective.scale(),
            *(entry._replace(queue_group=None) for entry in keys),
            share=0.0,
        ).loss,
    }
    found = mixture(forwards, second, 1).loss
    assert torch.allclose(found, expected[groups], atol=1e-4)
    assert float((expected[True] - expected[False]).detach().abs()) > 1e-2
    mixture(forwards, second, 2)
    assert [len(side.queue) for side in (objective.a, objective.b)] == [20, 20]


def test_the_share_ramps_and_state_goes_through_a_checkpoint() -> None:
    """albef 6 and resume."""
    prepared, model, mixture, _ = _parts(_settings(share_steps=4))
    other = copy.deepcopy(mixture)
    batch = prepared.batch(torch.arange(12))
    for step in range(3):
        mixture(BatchForwards(model, batch), batch, step)
    other.load_state_dict(copy.deepcopy(mixture.state_dict()))
    losses = [part(BatchForwards(model, batch), batch, 3).loss for part in (mixture, other)]
    assert torch.equal(*losses) and int(mixture.objectives["term"].steps) == 4


def test_tcl_adds_the_terms_inside_a_modality_and_with_tokens() -> None:
    """tcl 5: without the two weights it is ALBEF's contrast."""
    settings = _settings(b="text", share=0.0, intra_weight=1.0, local_weight=1.0, skip_a=1)
    prepared, model, mixture, _ = _parts(settings)
    batch = prepared.batch(torch.arange(12))
    outcome = mixture(BatchForwards(model, batch), batch, 0)
    terms = {name.removeprefix("term/"): value for name, value in outcome.terms.items()}
    assert float(terms["local"]) > 0 and float(terms["intra_modal"]) > 0
    assert torch.allclose(terms["loss"], terms["cross_modal"] + terms["intra_modal"] + terms["local"])
    plain = _parts(_settings(b="text", share=0.0))
    assert torch.allclose(plain[2](BatchForwards(plain[1], batch), batch, 0).loss, terms["cross_modal"], atol=1e-5)


def test_fresh_twins_make_the_intra_modal_term_infonce_of_a_modality_with_itself() -> None:
    """tcl 3: one view, no dropout, momentum parts equal to the online ones, an empty queue."""
    prepared, model, mixture, objective = _parts(_settings(share=0.0, intra_weight=1.0, groups=False))
    batch = prepared.batch(torch.arange(12))
    forwards = BatchForwards(model, batch)
    found = mixture(forwards, batch, 0).terms["term/intra_modal"]
    sides = [normalize(rows, dim=1) for rows in _projected(forwards, objective)]
    each = [-(objective.scale() * rows @ rows.T).log_softmax(1).diagonal().mean() for rows in sides]
    assert torch.allclose(found, sum(each, torch.zeros(())) / 2, atol=1e-5)


def test_locals_are_wanted_of_a_tower_with_tokens() -> None:
    prepared, model, mixture, _ = _parts(_settings(local_weight=1.0))
    batch = prepared.batch(torch.arange(4))
    with pytest.raises(UserError, match=r"'point' with its tokens.*local_weight 0"):
        mixture(BatchForwards(model, batch), batch, 0)


def test_a_batch_without_a_pair_is_a_zero_and_queues_nothing() -> None:
    prepared, model, mixture, objective = _parts(_settings())
    batch = prepared.batch(torch.arange(6))
    half = torch.arange(6) < 3
    inputs = {name: batch.inputs[name].take(rows.nonzero()[:, 0]) for name, rows in (("text", half), ("point", ~half))}
    lacking: Batch = replace(batch, inputs=inputs, present={"text": half, "point": ~half})
    outcome = mixture(BatchForwards(model, lacking), lacking, 0)
    assert float(outcome.loss.detach()) == 0 and outcome.loss.requires_grad and not len(objective.a.queue)


@pytest.mark.parametrize("options", [{"share": 1.5}, {"momentum": -0.1}, {"queue": 0}, {"width": 0}, {"scale": 1.0}])
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|at least 1|outside its clamp"):
        _parts(_settings(**options))
