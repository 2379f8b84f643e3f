from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.state.momentum_twin import MomentumTwin


def _module() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))


def _move(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_follows_its_equation_in_parameters_and_running_statistics() -> None:
    online = _module()
    twin = MomentumTwin(online, 0.995)
    old = {name: value.clone() for name, value in twin.module.state_dict().items()}
    _move(online)
    online(torch.randn(8, 3))
    twin.update_(online)
    new = online.state_dict()
    for name, value in twin.module.state_dict().items():
        expected = 0.995 * old[name] + 0.005 * new[name] if value.is_floating_point() else new[name]
        assert torch.allclose(value.double(), expected.double(), atol=1e-7), name
    assert int(twin.module[1].num_batches_tracked) == 1


def test_many_updates_follow_the_closed_form() -> None:
    online = nn.Linear(1, 1, bias=False).double()
    nn.init.zeros_(online.weight)
    twin = MomentumTwin(online, 0.9)
    with torch.no_grad():
        online.weight.fill_(1.0)
    for _ in range(20):
        twin.update_(online)
    assert float(twin.module.weight) == pytest.approx(1 - 0.9**20, rel=1e-12)


def test_agrees_to_the_bit_where_nothing_moved() -> None:
    online = _module().eval()
    twin = MomentumTwin(online)
    twin.update_(online)
    inputs = torch.randn(5, 3)
    assert torch.equal(twin(inputs), online(inputs))


def test_has_no_gradient_and_no_place_in_an_optimiser() -> None:
    online = nn.Linear(3, 3)
    twin = MomentumTwin(online)
    inputs = torch.randn(2, 3, requires_grad=True)
    assert not twin(inputs).requires_grad
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    (online(inputs) * twin(inputs)).sum().backward()
    assert all(parameter.grad is None for parameter in twin.parameters())
    assert all(parameter.requires_grad for parameter in online.parameters())


def test_stays_in_evaluation_mode_unless_the_release_is_wanted() -> None:
    online = _module()
    holder = nn.ModuleDict({"twin": MomentumTwin(online), "released": MomentumTwin(online, release_compat=True)})
    holder.train()
    inputs = torch.randn(16, 3)
    assert torch.equal(holder["twin"](inputs), holder["twin"](inputs))
    assert not torch.equal(holder["released"](inputs), holder["released"](inputs))


def test_its_state_is_that_of_its_holder_without_the_followed_module() -> None:
    online = nn.Linear(2, 2)
    holder = nn.ModuleDict({"twin": MomentumTwin(online)})
    assert set(holder.state_dict()) == {"twin.module.weight", "twin.module.bias"}
    _move(online)
    holder["twin"].update_(online)
    other = nn.ModuleDict({"twin": MomentumTwin(nn.Linear(2, 2))})
    other.load_state_dict(holder.state_dict())
    _move(online)
    for twin in (holder["twin"], other["twin"]):
        twin.update_(online)
    assert torch.equal(holder["twin"].module.weight, other["twin"].module.weight)


def test_a_schedule_of_the_momentum_reaches_from_copying_to_standing_still() -> None:
    online = nn.Linear(2, 2)
    twin = MomentumTwin(online)
    before = twin.module.weight.clone()
    _move(online)
    twin.update_(online, 1.0)
    assert torch.equal(twin.module.weight, before)
    twin.update_(online, 0.0)
    assert torch.allclose(twin.module.weight, online.weight, atol=1e-7)


def test_tied_weights_stay_tied_and_move_once() -> None:
    online = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    online[1].weight = online[0].weight
    twin = MomentumTwin(online, 0.5)
    old = twin.module[0].weight.clone()
    _move(online)
    twin.update_(online)
    assert twin.module[0].weight is twin.module[1].weight
    assert torch.allclose(twin.module[0].weight, (old + online[0].weight) / 2)


def test_refuses_what_it_cannot_follow() -> None:
    twin = MomentumTwin(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="make a new twin"):
        twin.update_(nn.Linear(2, 3))
    with pytest.raises(ValueError, match="only the twin has bias"):
        twin.update_(nn.Linear(2, 2, bias=False))
    with pytest.raises(ValueError, match="between 0 and 1"):
        MomentumTwin(nn.Linear(2, 2), 1.5)
    with pytest.raises(ValueError, match="keep weights in float32"):
        MomentumTwin(nn.Linear(2, 2).bfloat16())
