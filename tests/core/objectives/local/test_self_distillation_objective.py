"""Teacher, centre and schedules of self-distillation; acceptance checks of the sheet rs-m-clip."""

from __future__ import annotations

import copy
import math
import runpy
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.contracts.batch import Batch
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.local import DistillationHead, SelfDistillationObjective, draw_view, teacher_momentum_at
from crossmod.objectives.local.state_settings import SelfDistillation
from crossmod.objectives.mixture import Mixture
from crossmod.objectives.settings import InfoNCE
from crossmod.recipe import EmbeddingSettings
from crossmod.training.backward import backward

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))


def _settings(**options: float) -> SelfDistillation:
    return SelfDistillation(modality="a", outputs=12, hidden=16, bottleneck=8, **{"local_views": 2, **options})


def _parts(settings: SelfDistillation) -> tuple[CrossModal, Mixture, Batch]:
    torch.manual_seed(1)
    towers = {"a": TOWERS["Series"](), "b": TOWERS["Series"]()}
    model = CrossModal(towers, EmbeddingSettings(width=8))
    terms = {"views": settings, "pairs": InfoNCE(a="a", b="b")}
    batch = TOWERS["batch_of"](12, {}, a=TOWERS["waves"](12), b=TOWERS["waves"](12, 32, 3))
    return model, Mixture(terms, towers), batch


def _steps(model: CrossModal, mixture: Mixture, batch: Batch, count: int) -> list[dict[str, torch.Tensor]]:
    parameters = [p for p in (*model.parameters(), *mixture.parameters()) if p.requires_grad]
    optimiser, seen = torch.optim.Adam(parameters, lr=3e-3), []
    for step in range(count):
        torch.manual_seed(step)
        optimiser.zero_grad()
        seen.append(dict(backward(model, mixture, batch, step)))
        optimiser.step()
        mixture.after_step()
    return seen


def test_the_teacher_is_the_moving_average_of_the_student_and_has_no_gradient() -> None:
    model, mixture, batch = _parts(_settings(momentum=0.9))
    objective = mixture.objectives["views"]
    assert isinstance(objective, SelfDistillationObjective)
    started = copy.deepcopy(model.towers["a"].state_dict())
    _steps(model, mixture, batch, 1)
    slow = dict(objective.slow_tower.module.named_parameters())
    for name, fast in model.towers["a"].named_parameters():
        assert torch.allclose(slow[name], 0.9 * started[name] + 0.1 * fast, atol=1e-7), name
    assert any(not torch.equal(slow[name], fast) for name, fast in model.towers["a"].named_parameters())
    for part in (objective.slow_tower, objective.slow_head):
        assert all(p.grad is None and not p.requires_grad for p in part.parameters())


def test_the_teacher_starts_from_weights_loaded_after_it_was_made() -> None:
    model, mixture, batch = _parts(_settings(momentum=1.0))
    with torch.no_grad():
        for parameter in model.towers["a"].parameters():
            parameter += 0.5
    loaded = copy.deepcopy(model.towers["a"].state_dict())
    _steps(model, mixture, batch, 3)
    slow = mixture.objectives["views"].slow_tower.module.state_dict()
    assert all(torch.equal(slow[name], value) for name, value in loaded.items())


def test_centring_keeps_the_teacher_from_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for centred in (True, False):
        model, mixture, batch = _parts(_settings(momentum=0.99))
        if not centred:
            monkeypatch.setattr(mixture.objectives["views"].centre, "move", lambda: None)
        found[centred] = [float(seen["views/entropy"]) for seen in _steps(model, mixture, batch, 60)][30:]
    assert all(1.0 < value < math.log(12) - 0.01 for value in found[True])
    assert max(found[False]) < 0.5, "without a centre one output takes over"


def test_a_weight_of_zero_is_training_without_it() -> None:
    found = []
    for weight in (0.0, None):
        model, mixture, batch = _parts(_settings(weight=weight or 0.0))
        backward(model, mixture, batch, 0) if weight is not None else _without(mixture, model, batch)
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    with_it, without = found
    assert all(torch.equal(with_it[name], gradient) for name, gradient in without.items())
    assert all(not gradient.any() for name, gradient in with_it.items() if name not in without)


def _without(mixture: Mixture, model: CrossModal, batch: Batch) -> None:
    from crossmod.training.forwards import BatchForwards

    outcome = mixture(BatchForwards(model, batch), batch, 0, ["pairs"])
    assert outcome is not None
    outcome.loss.backward()


def test_prototypes_stay_while_frozen() -> None:
    model, mixture, batch = _parts(_settings(frozen_steps=2))
    head = mixture.objectives["views"].head
    before = head.prototypes.detach().clone()
    _steps(model, mixture, batch, 2)
    assert torch.equal(head.prototypes, before)
    _steps(model, mixture, batch, 1)
    assert not torch.equal(head.prototypes, before)


def test_evaluation_moves_nothing() -> None:
    model, mixture, batch = _parts(_settings())
    mixture.eval()
    backward(model, mixture, batch, 0)
    mixture.objectives["views"].centre.move()
    assert not mixture.objectives["views"].centre.centre.any()


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped() -> None:
    model, mixture, batch = _parts(_settings(momentum=0.9, momentum_steps=10))
    _steps(model, mixture, batch, 2)
    other_model, other, _ = _parts(_settings(momentum=0.9, momentum_steps=10))
    other_model.load_state_dict(model.state_dict())
    other.load_state_dict(mixture.state_dict())
    for pair in ((model, mixture), (other_model, other)):
        _steps(*pair, batch, 1)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in mixture.state_dict().items())


def test_the_momentum_goes_to_one_along_half_a_cosine() -> None:
    found = [teacher_momentum_at(step, 100) for step in (0, 50, 100, 500)]
    assert found == pytest.approx([0.996, 0.998, 1.0, 1.0])
    assert teacher_momentum_at(7, 0, 0.9) == 0.9


def test_the_heads_scores_are_cosines_whose_gradient_is_right() -> None:
    torch.manual_seed(0)
    head = DistillationHead(5, 7, hidden=6, bottleneck=3).double()
    assert float(head(torch.randn(9, 5, dtype=torch.float64)).detach().abs().max()) <= 1 + 1e-9
    assert torch.autograd.gradcheck(head, torch.randn(2, 5, dtype=torch.float64, requires_grad=True))
    assert head(torch.zeros(0, 5, dtype=torch.float64)).shape == (0, 7)
    head(torch.randn(2, 5, dtype=torch.float64), frozen=True).sum().backward()
    assert head.prototypes.grad is None


@given(
    length=st.integers(0, 9),
    real=st.integers(0, 9),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    seed=st.integers(0, 99),
)
def test_a_view_is_a_contiguous_part_of_the_real_tokens(
    length: int, real: int, shares: tuple[float, float], seed: int
) -> None:
    mask = torch.arange(length).expand(3, length) < real
    places = torch.arange(length, dtype=torch.float32)[None, :, None].expand(3, length, 1)
    smallest, largest = sorted(shares)
    view = draw_view(mask, places, smallest, largest, torch.Generator().manual_seed(seed))
    assert not (view & ~mask).any()
    for row in view:
        found = row.nonzero()[:, 0]
        count = min(real, length)
        assert bool(len(found)) == bool(count)
        assert not count or round(smallest * count) <= len(found) <= max(1, round(largest * count))
        assert not len(found) or int(found[-1] - found[0]) + 1 == len(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"global_views": 1, "local_views": 0}, "no pair"),
        ({"local_smallest": 0.5, "local_largest": 0.2}, "smallest <= largest"),
        ({"temperature": 0.0}, "not positive"),
        ({"centre_momentum": 1.0}, "below 1"),
        ({"outputs": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SelfDistillation(modality="a", **options)
    with pytest.raises(ValueError, match="smallest <= largest"):
        draw_view(torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2, 1), 0.0, 0.5)
