from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from crossmod.state.low_rank import LowRankLinear, add_adapters, fold_adapters


def _trained(pairs: int = 2, dropout: float = 0.0) -> LowRankLinear:
    layer = LowRankLinear(nn.Linear(5, 3), 2, 4.0, dropout=dropout, pairs=pairs)
    for up in layer.up:
        nn.init.normal_(up)
    return layer.eval()


def test_a_fresh_adapter_changes_nothing() -> None:
    base = nn.Linear(5, 3)
    inputs = torch.randn(7, 5)
    before = base(inputs)
    assert torch.equal(LowRankLinear(base, 2)(inputs), before)


def test_computes_its_equation() -> None:
    layer = _trained()
    inputs = torch.randn(2, 4, 5)
    weight = layer.base.weight + 2.0 * sum(up @ down for up, down in zip(layer.up, layer.down, strict=True))
    assert torch.allclose(layer(inputs), linear(inputs, weight, layer.base.bias), atol=1e-6)
    assert torch.allclose(layer.weight, weight, atol=1e-6)
    assert (layer.in_features, layer.out_features) == (5, 3)


def test_merging_agrees_and_unmerging_is_exact() -> None:
    layer = _trained()
    inputs = torch.randn(7, 5)
    before, state = layer(inputs), {name: value.clone() for name, value in layer.state_dict().items()}
    layer.merge_()
    assert torch.allclose(layer(inputs), before, atol=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())
    layer.unmerge_()
    assert torch.equal(layer(inputs), before)


def test_training_newly_loaded_weights_and_moves_never_meet_a_stale_matrix() -> None:
    layer, other = _trained(), _trained()
    inputs = torch.randn(7, 5)
    layer.merge_()
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(inputs), other(inputs))
    layer.merge_()
    layer.double()
    assert torch.allclose(layer(inputs.double()).float(), other(inputs), atol=1e-5)
    layer.train()
    with torch.no_grad():
        layer.up[0].zero_()
    assert not torch.allclose(layer(inputs.double()).float(), other(inputs), atol=1e-3)
    with pytest.raises(ValueError, match="call eval"):
        layer.merge_()


def test_only_the_pairs_have_gradients_and_they_are_right() -> None:
    layer = _trained(pairs=1).double()
    inputs = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, down, up: linear(linear(x, down), up) * layer.scale + layer.base(x),
        (inputs, layer.down[0], layer.up[0]),
    )
    layer(inputs).sum().backward()
    assert layer.base.weight.grad is None and layer.base.bias.grad is None
    expected = layer.scale * torch.ones(3, 4, dtype=torch.float64) @ linear(inputs, layer.down[0])
    assert torch.allclose(layer.up[0].grad, expected)


def test_dropout_acts_on_the_adapters_alone() -> None:
    layer = _trained(dropout=1.0)
    inputs = torch.randn(7, 5)
    layer.train()
    assert torch.equal(layer(inputs), layer.base(inputs))


def test_adapters_are_put_in_by_name_and_folded_out_again() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2, bias=False)))
    inputs = torch.randn(3, 4)
    before = model.eval()(inputs)
    assert add_adapters(model, r"2\.\d", rank=2) == ("2.0", "2.1")
    assert torch.equal(model(inputs), before)
    for part in (model[2][0], model[2][1]):
        nn.init.normal_(part.up[0])
    trained = model(inputs)
    assert not torch.allclose(trained, before)
    with pytest.raises(ValueError, match="matches no linear layer that is free"):
        add_adapters(model, r"2\.\d.*", rank=2)
    assert fold_adapters(model) == ("2.0", "2.1")
    assert torch.allclose(model(inputs), trained, atol=1e-5)
    assert [type(part) for part in model[2]] == [nn.Linear, nn.Linear]


def test_code_that_reads_the_weight_sees_the_adapted_one() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    add_adapters(layer, "linear[12]", rank=2)
    nn.init.normal_(layer.linear1.up[0])
    inputs = torch.randn(2, 3, 8)
    layer.eval()
    with torch.no_grad():
        fast = layer(inputs)
    slow = layer(inputs.requires_grad_())
    assert torch.allclose(fast, slow, atol=1e-5)


def test_refuses_layers_that_nobody_calls_and_empty_adapters() -> None:
    with pytest.raises(ValueError, match="nn.MultiheadAttention, which never calls it"):
        add_adapters(nn.TransformerEncoderLayer(8, 2, 16), ".*out_proj", rank=2)
    with pytest.raises(ValueError, match="adapt nothing"):
        LowRankLinear(nn.Linear(2, 2), 0)
