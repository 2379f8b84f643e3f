from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crossmod.errors import UserError
from crossmod.runs.model_folder import load_weights
from crossmod.state.depth_growth import insert_blocks_, make_identity_
from crossmod.state.inheritance import inherit, inherit_moments
from crossmod.state.momentum_twin import MomentumTwin
from crossmod.text.block import TransformerBlock

OUTPUTS = ("attention_out", "mlp_out")


class Tower(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TransformerBlock(8, 2, 4.0, 0.0, 3) for _ in range(depth))
        self.norm = nn.BatchNorm1d(8)

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens, None)
        return self.norm(tokens.mean(1))


def _after_the_second(name: str) -> str:
    """A block stands between the second and the third."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name
    place = {"0": "0", "1": "1", "2": "new", "3": "2"}[parts[1]]
    return ".".join(["blocks", place, *parts[2:]])


def _grown(old: Tower, beta: float) -> tuple[Tower, object]:
    model = Tower(4)
    report = inherit(old.state_dict(), model, beta, _after_the_second)
    make_identity_(model.blocks[2], OUTPUTS)
    return model, report


def test_beta_one_and_an_identity_compute_the_same() -> None:
    old = Tower(3)
    old(torch.randn(16, 5, 8))
    model, report = _grown(old, 1.0)
    tokens = torch.randn(4, 5, 8)
    assert torch.allclose(model.eval()(tokens), old.eval()(tokens), atol=1e-5)
    assert all(name.startswith("blocks.2.") for name in report.new)
    assert len(report.matched) == len(old.state_dict()) and not report.dropped
    assert report.inherited_count == sum(value.numel() for value in old.state_dict().values())
    assert report.new_count == sum(parameter.numel() for parameter in old.blocks[0].parameters())


def test_inserting_in_place_gives_the_names_that_inheriting_needs() -> None:
    old = Tower(3)
    model = copy.deepcopy(old)
    places = insert_blocks_(model.blocks, 2, [TransformerBlock(8, 2, 4.0, 0.0, 4)], OUTPUTS)
    assert places == {"0": "0", "1": "1", "3": "2"}

    def renamed(name: str) -> str:
        parts = name.split(".")
        return ".".join([parts[0], places.get(parts[1], "new"), *parts[2:]]) if parts[0] == "blocks" else name

    fresh = Tower(4)
    report = inherit(old.state_dict(), fresh, 1.0, renamed)
    assert not report.dropped and all(name.startswith("blocks.2.") for name in report.new)
    tokens = torch.randn(4, 5, 8)
    assert torch.allclose(model.eval()(tokens), old.eval()(tokens), atol=1e-5)


class Shared(nn.Module):
    """Two towers, and blocks after them that both pass through (GrowCLIP's shared encoder)."""

    def __init__(self, shared: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 8), nn.Linear(5, 8)
        self.blocks = nn.ModuleList(TransformerBlock(8, 2, 4.0, 0.0, 3) for _ in range(shared))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        sides = [self.a(a), self.b(b)]
        for block in self.blocks:
            sides = [block(side, None) for side in sides]
        return sides[0], sides[1]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_shared_blocks_grow_without_a_change_on_either_side(position: int) -> None:
    model, a, b = Shared(2), torch.randn(4, 5, 3), torch.randn(4, 5, 5)
    before = model(a, b)
    insert_blocks_(model.blocks, position, [TransformerBlock(8, 2, 4.0, 0.0, 3) for _ in range(2)], OUTPUTS)
    assert len(model.blocks) == 4
    for old, new in zip(before, model(a, b), strict=True):
        assert torch.allclose(old, new, atol=1e-5)


def test_beta_zero_keeps_the_fresh_start_to_the_bit() -> None:
    torch.manual_seed(3)
    fresh = Tower(3)
    torch.manual_seed(3)
    model = Tower(3)
    inherit(Tower(3).state_dict(), model, 0.0)
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in model.state_dict().items())


def test_between_them_parameters_mix_and_statistics_are_taken_over() -> None:
    old, model = Tower(2), Tower(3)
    old(torch.randn(16, 5, 8))
    start = copy.deepcopy(model.state_dict())
    report = inherit(old.state_dict(), model, 0.7)
    parameters = dict(model.named_parameters())
    for name, value in model.state_dict().items():
        if name not in report.matched:
            assert torch.equal(value, start[name])
        elif name in parameters:
            assert torch.allclose(value, 0.7 * old.state_dict()[name] + 0.3 * start[name], atol=1e-7)
        else:
            assert torch.equal(value, old.state_dict()[name])
    assert inherit(Tower(4).state_dict(), Tower(2), 1.0).dropped[0].startswith("blocks.2.")


def test_saving_in_between_makes_no_difference_and_the_old_architecture_refuses(tmp_path: Path) -> None:
    old = Tower(3)
    save_file(old.state_dict(), tmp_path / "old.safetensors")
    torch.manual_seed(1)
    first, _ = _grown(old, 0.9)
    torch.manual_seed(1)
    other = Tower(3)
    load_weights(other, load_file(tmp_path / "old.safetensors"), "the saved model")
    torch.manual_seed(1)
    second, _ = _grown(other, 0.9)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    with pytest.raises(UserError, match="tensor blocks.3"):
        load_weights(old, first.state_dict(), "the grown model")


def test_a_twin_grows_by_the_same_map() -> None:
    old = Tower(3)
    twin = MomentumTwin(old)
    model, _ = _grown(old, 1.0)
    grown_twin = MomentumTwin(model)
    inherit(twin.module.state_dict(), grown_twin.module, 1.0, _after_the_second)
    tokens = torch.randn(4, 5, 8)
    assert torch.equal(grown_twin(tokens), model.eval()(tokens))


def test_moments_are_scaled_and_counters_kept() -> None:
    old = Tower(3)
    optimiser = torch.optim.AdamW(old.parameters())
    old(torch.randn(16, 5, 8)).sum().backward()
    optimiser.step()
    named = {name: optimiser.state[parameter] for name, parameter in old.named_parameters()}
    model, _ = _grown(old, 0.9)
    grown = torch.optim.AdamW(model.parameters())
    taken = inherit_moments(named, grown, model, 0.9, _after_the_second)
    assert set(taken) == {name for name, _ in model.named_parameters() if not name.startswith("blocks.2.")}
    parameter = dict(model.named_parameters())["blocks.3.mlp_in.weight"]
    assert torch.allclose(grown.state[parameter]["exp_avg"], 0.9 * named["blocks.2.mlp_in.weight"]["exp_avg"])
    assert float(grown.state[parameter]["step"]) == 1
    model(torch.randn(16, 5, 8)).sum().backward()
    grown.step()


def test_refuses_other_shapes_and_other_weights() -> None:
    with pytest.raises(ValueError, match="widen that one first"):
        inherit(nn.Linear(2, 2).state_dict(), nn.Linear(2, 3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        inherit({}, nn.Linear(2, 2), 1.2)
