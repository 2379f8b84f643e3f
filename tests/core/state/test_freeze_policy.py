from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from crossmod.cli.recipes import parse_recipe
from crossmod.state.freeze_policy import Freeze, FreezePolicy
from crossmod.state.logit_scale import LogitScale
from crossmod.state.low_rank import add_adapters
from crossmod.testing.tiny import domain
from crossmod.training.assemble import assemble


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.locked = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 4))
        self.open = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.scale = LogitScale()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scale() * (self.locked(inputs) * self.open(inputs)).sum()


LOCK = FreezePolicy([Freeze(pattern="locked")])


def test_a_locked_part_keeps_parameters_and_buffers_to_the_bit() -> None:
    model = Pair()
    LOCK.apply(model, 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW(LOCK.ever_trainable(model), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        model.train()
        optimiser.zero_grad()
        model(torch.randn(8, 4)).backward()
        optimiser.step()
    after = model.state_dict()
    same = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert same == {name for name in before if name.startswith("locked.")}
    assert all(parameter.grad is None for parameter in model.locked.parameters())
    assert not {id(p) for p in model.locked.parameters()} & {id(p) for p in optimiser.state}


def test_train_leaves_a_locked_part_in_evaluation_mode() -> None:
    model = Pair()
    LOCK.apply(model, 0)
    inputs = torch.randn(8, 4)
    assert model.train() is model
    assert model.open.training and not any(module.training for module in model.locked.modules())
    assert torch.equal(model.locked(inputs), model.locked(inputs))
    model.locked.train()
    assert not model.locked[2].training


def test_a_part_that_was_frozen_for_a_while_trains_from_its_step_on() -> None:
    model = Pair()
    policy = FreezePolicy([Freeze(pattern=r"locked\.[01]"), Freeze(pattern=r"locked\.3", until_step=2)])
    trainable = policy.ever_trainable(model)
    assert {id(p) for p in trainable} == {
        id(p) for part in (model.locked[3], model.open, model.scale) for p in part.parameters()
    }
    optimiser = torch.optim.AdamW(trainable, lr=0.1, weight_decay=0.5)
    moved = []
    for step in range(4):
        policy.apply(model, step)
        model.train()
        before = model.locked[3].weight.clone()
        optimiser.zero_grad()
        model(torch.randn(8, 4)).backward()
        optimiser.step()
        moved.append(not torch.equal(before, model.locked[3].weight))
        assert model.locked[3].training is (step >= 2)
    assert moved == [False, False, True, True]
    assert [policy.changes_at(step) for step in range(4)] == [False, False, True, False]


def test_the_state_of_a_step_does_not_depend_on_how_it_was_reached() -> None:
    policy = FreezePolicy([Freeze(pattern="locked", until_step=5), Freeze(pattern=r"locked\.0")])
    model = Pair()
    reports = [policy.apply(model, step) for step in (0, 5, 4, 9)]
    assert reports[0] == reports[2] and reports[1] == reports[3]
    assert policy.apply(Pair(), 9) == reports[3]
    assert set(reports[3].frozen) == {"locked.0.weight", "locked.0.bias"}
    assert reports[3].frozen_count == 20
    assert reports[3].trainable_count == sum(p.numel() for p in model.parameters()) - 20


def test_single_parameters_freeze_without_a_change_of_mode() -> None:
    model = Pair()
    report = FreezePolicy([Freeze(pattern=r"open\.0\.bias")]).apply(model, 0)
    assert report.frozen == ("open.0.bias",)
    assert model.train().open.training


def test_statistics_may_go_on_where_that_is_asked_for() -> None:
    model = Pair()
    FreezePolicy([Freeze(pattern="locked", keep_in_evaluation=False)]).apply(model, 0)
    model.train()
    model(torch.randn(8, 4))
    assert int(model.locked[1].num_batches_tracked) == 1


def test_what_was_constant_before_stays_constant() -> None:
    model = Pair()
    model.scale.log_scale.requires_grad_(False)
    policy = FreezePolicy([Freeze(pattern="locked", until_step=1)])
    policy.apply(model, 0)
    policy.apply(model, 1)
    assert not model.scale.log_scale.requires_grad
    assert model.locked[0].weight.requires_grad


def test_a_copy_and_a_pickled_model_are_locked_on_their_own() -> None:
    model = Pair()
    LOCK.apply(model, 0)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(model), torch.load(buffer, weights_only=False)):
        other.train()
        assert other.open.training and not other.locked[2].training


def test_does_to_a_modality_what_the_recipe_does_and_to_parts_of_one_what_it_cannot() -> None:
    model = assemble(parse_recipe(domain, ["--data.points=40"])).model
    recipe = assemble(parse_recipe(domain, ["--data.points=40", "--run.freeze=[text]"])).model
    FreezePolicy([Freeze(pattern=r"(towers|heads)\.text")]).apply(model, 0)
    for one, other in zip(recipe.train().modules(), model.train().modules(), strict=True):
        assert one.training is other.training
    for one, other in zip(recipe.parameters(), model.parameters(), strict=True):
        assert one.requires_grad is other.requires_grad
    model = assemble(parse_recipe(domain, ["--data.points=40"])).model
    report = FreezePolicy([Freeze(pattern=r"towers\.text\.(embedding|positions|blocks\.0)")]).apply(model, 0)
    assert not model.train().towers["text"].blocks[0].training and model.towers["text"].training
    assert "towers.text.norm.weight" in report.trainable and "heads.text.0.weight" in report.trainable


def test_an_exception_goes_on_training_and_keeps_its_mode() -> None:
    model = Pair()
    policy = FreezePolicy([Freeze(pattern="locked", but=r".*\.bias|locked\.2")])
    report = policy.apply(model, 0)
    assert set(report.frozen) == {"locked.0.weight", "locked.1.weight", "locked.3.weight"}
    model.train()
    modes = {name: part.training for name, part in model.named_modules() if name.startswith("locked.")}
    assert modes == {"locked.0": False, "locked.1": False, "locked.2": True, "locked.3": False}
    assert not any(part.training for part in model.eval().modules())


def test_a_part_may_train_first_and_be_frozen_later() -> None:
    model, policy = Pair(), FreezePolicy([Freeze(pattern="locked", from_step=2, until_step=4)])
    assert len(policy.ever_trainable(model)) == len(list(model.parameters()))
    moves = []
    for step in range(6):
        policy.apply(model, step)
        moves.append((model.locked[0].weight.requires_grad, model.train().locked[2].training))
    assert moves == [(step not in (2, 3),) * 2 for step in range(6)]
    assert policy.changes() == {2, 4} and policy.changes_at(4) and not policy.changes_at(3)


def test_adapters_of_a_frozen_part_are_left_to_their_schedule() -> None:
    model = Pair()
    add_adapters(model, r"locked\.[03]", rank=2, dropout=0.5)
    report = LOCK.apply(model, 0)
    adapters = {name for name in report.trainable if name.startswith("locked.")}
    assert {name.split(".")[-2] for name in adapters} == {"down", "up"} and len(adapters) == 4
    model.train()
    assert model.locked[0].dropout.training and not model.locked[0].base.training and not model.locked[1].training
    named = FreezePolicy([Freeze(pattern=r"locked\.0\.(down|up)\.0")]).apply(model, 0)
    assert set(named.frozen) >= {"locked.0.down.0", "locked.0.up.0"}


def test_refuses_what_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="matches no part of the model, which has locked"):
        FreezePolicy([Freeze(pattern="tower")]).apply(Pair(), 0)
    with pytest.raises(ValueError, match="did you mean locked"):
        FreezePolicy([Freeze(pattern="loked")]).apply(Pair(), 0)
    with pytest.raises(
        ValueError, match=r"exception 'open.*' from freezing 'locked' names no parameter of it; it has lo"
    ):
        FreezePolicy([Freeze(pattern="locked", but="open.*")]).apply(Pair(), 0)
    with pytest.raises(ValueError, match="from step 3 until step 3 freezes nothing"):
        FreezePolicy([Freeze(pattern="locked", from_step=3, until_step=3)])
    with pytest.raises(ValueError, match="no regular expression"):
        FreezePolicy([Freeze(pattern="(")])
    with pytest.raises(ValueError, match="nothing trainable except the logit scale"):
        FreezePolicy([Freeze(pattern="locked|open")]).apply(Pair(), 0)
