from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from crossmod.state.adapter_stages import AdapterStage, StagedAdapterSchedule
from crossmod.state.low_rank import add_adapters

STAGES = (
    AdapterStage(from_step=2, layers="0"),
    AdapterStage(from_step=4, layers="[02]"),
    AdapterStage(from_step=6, layers="[024]"),
)


def _model(schedule: StagedAdapterSchedule) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))
    add_adapters(model, "[024]", rank=2, pairs=schedule.pairs)
    return model


def _open(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_growing_opens_shallow_layers_first_and_keeps_them() -> None:
    schedule = StagedAdapterSchedule(STAGES)
    model = _model(schedule)
    opened = []
    for step in range(8):
        names = schedule.apply(model, step)
        assert _open(model) == {f"{name}.{side}.0" for name in names for side in ("down", "up")}
        opened.append(names)
    assert opened == [(), (), ("0",), ("0",), ("0", "2"), ("0", "2"), ("0", "2", "4"), ("0", "2", "4")]


def test_stacking_opens_a_pair_a_stage_and_freezes_the_one_before() -> None:
    schedule = StagedAdapterSchedule(STAGES, "stack")
    model = _model(schedule)
    schedule.apply(model, 2)
    assert _open(model) == {"0.down.0", "0.up.0"}
    schedule.apply(model, 5)
    assert _open(model) == {f"{layer}.{side}.1" for layer in (0, 2) for side in ("down", "up")}


@pytest.mark.parametrize("mode", ["grow", "stack"])
def test_outputs_do_not_jump_between_stages_and_base_weights_never_move(mode: Literal["grow", "stack"]) -> None:
    schedule = StagedAdapterSchedule(STAGES, mode)
    model = _model(schedule)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    base = {name: value.clone() for name, value in model.state_dict().items() if ".base." in name}
    inputs = torch.randn(8, 4)
    older: dict[str, Tensor] = {}
    for step in range(8):
        before = model(inputs)
        schedule.apply(model, step)
        assert torch.equal(model(inputs), before)
        optimiser.zero_grad()
        loss = (model(inputs) - 1).square().mean()
        if loss.requires_grad:
            loss.backward()
        optimiser.step()
        if step == 3:
            older = {n: v.clone() for n, v in model.state_dict().items() if n in ("0.down.0", "0.up.0")}
            assert float(older["0.up.0"].abs().max()) > 0
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in base.items())
    kept = [torch.equal(state[name], value) for name, value in older.items()]
    assert all(kept) if mode == "stack" else not any(kept)


def test_a_resumed_run_needs_the_step_alone() -> None:
    schedule = StagedAdapterSchedule(STAGES)
    model, other = _model(schedule), _model(schedule)
    for step in range(6):
        schedule.apply(model, step)
    schedule.apply(other, 5)
    assert _open(model) == _open(other)


def test_refuses_schedules_that_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="ascending"):
        StagedAdapterSchedule([STAGES[1], STAGES[0]])
    with pytest.raises(ValueError, match="ascending"):
        StagedAdapterSchedule([])
    with pytest.raises(ValueError, match="'grow' or 'stack'"):
        StagedAdapterSchedule(STAGES, "pile")
    grow, stack = StagedAdapterSchedule(STAGES), StagedAdapterSchedule(STAGES, "stack")
    with pytest.raises(ValueError, match="needs? 3"):
        stack.apply(_model(grow), 0)
    with pytest.raises(ValueError, match="would close 0"):
        StagedAdapterSchedule([STAGES[0], AdapterStage(from_step=5, layers="2")]).apply(_model(grow), 0)
    with pytest.raises(ValueError, match="no adapted layer is called"):
        StagedAdapterSchedule([AdapterStage(from_step=0, layers="9")]).apply(_model(grow), 0)
    with pytest.raises(ValueError, match="call add_adapters"):
        grow.apply(nn.Linear(2, 2), 0)
