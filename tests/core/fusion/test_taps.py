import pytest
import torch
from torch import nn

from crossmod.fusion.taps import HiddenStateTap
from crossmod.text.block import TransformerBlock
from crossmod.text.packed_tokens import Packing


class Tupled(nn.Module):
    def forward(self, x):
        return 2 * x, "attention"


def test_states_come_in_the_order_of_the_layers_with_gradient_and_norm():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    norm = nn.LayerNorm(4)
    x = torch.randn(2, 3, 4, requires_grad=True)
    with HiddenStateTap([first, second], norm=norm).listening() as states:
        last = second(first(x))
    torch.testing.assert_close(states[0], norm(first(x)))
    torch.testing.assert_close(states[1], norm(last))
    states[0].square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert not first._forward_hooks


def test_the_first_entry_of_a_tuple_is_the_state():
    layer = Tupled()
    with HiddenStateTap([layer]).listening() as states:
        layer(torch.ones(2))
    assert torch.equal(states[0], torch.full((2,), 2.0))


def test_a_layer_that_runs_twice_or_never_is_reported():
    layer, other = nn.Identity(), nn.Identity()
    with pytest.raises(ValueError, match="layer 0 of the tap ran twice"), HiddenStateTap([layer]).listening():
        layer(layer(torch.ones(1)))
    with (
        pytest.raises(ValueError, match=r"layers \[1\] of the tap never ran"),
        HiddenStateTap([layer, other]).listening(),
    ):
        layer(torch.ones(1))
    assert not layer._forward_hooks and not other._forward_hooks
    with pytest.raises(ValueError, match="no layer"):
        HiddenStateTap([])


def test_packed_tokens_are_no_state_of_a_batch() -> None:
    block = TransformerBlock(8, 2, 2.0, 0.0, 1)
    packing = Packing.of(torch.tensor([[True, True], [True, False]]))
    with pytest.raises(ValueError, match="packed tokens"), HiddenStateTap([block]).listening():
        block(packing.pack(torch.randn(2, 2, 8)), packing)
