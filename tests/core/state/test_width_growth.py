from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from crossmod.state.width_growth import How, copied_outputs, shared_inputs, widen_heads, widen_hidden


def _attention(query_key_value: nn.Linear, out: nn.Linear, heads: int, tokens: Tensor) -> Tensor:
    batch, length, _ = tokens.shape
    packed = query_key_value(tokens).view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return out(scaled_dot_product_attention(*packed).transpose(1, 2).reshape(batch, length, -1))


@pytest.mark.parametrize("how", ["zero", "duplicate"])
@pytest.mark.parametrize("bias", [True, False])
def test_more_hidden_units_compute_the_same(how: How, bias: bool) -> None:
    into, out_of = nn.Linear(6, 8, bias=bias), nn.Linear(8, 5, bias=bias)
    inputs = torch.randn(9, 6)
    wide_into, wide_out = widen_hidden(into, out_of, 10, how)
    assert (wide_into.out_features, wide_out.in_features) == (10, 10)
    assert torch.allclose(wide_out(gelu(wide_into(inputs))), out_of(gelu(into(inputs))), atol=1e-5)


@pytest.mark.parametrize("how", ["zero", "duplicate"])
def test_more_heads_of_one_size_compute_the_same(how: How) -> None:
    query_key_value, out = nn.Linear(6, 3 * 8), nn.Linear(8, 6)
    tokens = torch.randn(2, 5, 6)
    wide, wide_out = widen_heads(query_key_value, out, 2, 5, how)
    assert (wide.out_features, wide_out.in_features) == (60, 20)
    before, after = _attention(query_key_value, out, 2, tokens), _attention(wide, wide_out, 5, tokens)
    assert torch.allclose(after, before, atol=1e-5)


def test_zeroed_units_learn_at_once_and_copies_stay_equal() -> None:
    inputs = torch.randn(16, 4)
    for how, distinct in (("zero", True), ("duplicate", False)):
        into, out_of = widen_hidden(nn.Linear(4, 3), nn.Linear(3, 2), 6, how)
        optimiser = torch.optim.SGD([*into.parameters(), *out_of.parameters()], lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            (out_of(gelu(into(inputs))) - 1).square().mean().backward()
            optimiser.step()
        rows = into.weight.detach()
        closest = (rows[3:, None] - rows[None, :3]).abs().amax(-1).min()
        assert (float(closest) > 1e-3) is distinct
        assert float(out_of.weight.detach()[:, 3:].abs().max()) > 0


def test_the_residual_stream_doubles_by_its_two_operators() -> None:
    norm, into, out_of = nn.LayerNorm(4), nn.Linear(4, 7), nn.Linear(7, 4)
    twice = torch.arange(4).repeat(2)
    wide_norm = nn.LayerNorm(8)
    wide_into, wide_out = nn.Linear(8, 7), nn.Linear(7, 8)
    with torch.no_grad():
        wide_into.weight.copy_(shared_inputs(into.weight, twice))
        wide_into.bias.copy_(into.bias)
        wide_out.weight.copy_(copied_outputs(out_of.weight, twice))
        wide_out.bias.copy_(copied_outputs(out_of.bias, twice))
    inputs = torch.randn(3, 4)
    narrow = inputs + out_of(gelu(into(norm(inputs))))
    doubled = inputs[:, twice]
    wide = doubled + wide_out(gelu(wide_into(wide_norm(doubled))))
    assert torch.allclose(wide, narrow[:, twice], atol=1e-5)


def test_one_seed_grows_one_model() -> None:
    into, out_of = nn.Linear(4, 3), nn.Linear(3, 2)
    first, second = (widen_hidden(into, out_of, 5, "zero", torch.Generator().manual_seed(4))[0] for _ in range(2))
    assert torch.equal(first.weight, second.weight)


def test_refuses_shrinking_and_layers_that_do_not_meet() -> None:
    with pytest.raises(ValueError, match="no smaller width"):
        widen_hidden(nn.Linear(4, 3), nn.Linear(3, 2), 2)
    with pytest.raises(ValueError, match="layers around it"):
        widen_hidden(nn.Linear(4, 3), nn.Linear(4, 2), 5)
    with pytest.raises(ValueError, match="three times the inner width"):
        widen_heads(nn.Linear(4, 8), nn.Linear(4, 4), 2, 3)
    with pytest.raises(ValueError, match="'zero' or 'duplicate'"):
        widen_hidden(nn.Linear(4, 3), nn.Linear(3, 2), 5, "noise")
    with pytest.raises(ValueError, match="do not cover"):
        shared_inputs(torch.zeros(2, 3), torch.tensor([0, 1, 1]))
