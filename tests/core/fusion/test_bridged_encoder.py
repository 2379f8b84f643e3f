import math

import pytest
import torch
from torch import nn

from crossmod.fusion.bridged_encoder import BridgedCrossEncoder
from crossmod.fusion.taps import HiddenStateTap
from crossmod.text.block import TransformerBlock


@pytest.fixture
def states():
    draw = torch.Generator().manual_seed(1)
    a = [torch.randn(2, 4, 6, generator=draw) for _ in range(4)]
    b = [torch.randn(2, 5, 10, generator=draw) for _ in range(5)]
    return a, b


def slow_encoder(encoder, states_a, states_b, *, bridged=True):
    """Layer by layer from the paper; without `bridged` a layer does not hear the one before."""
    depth = encoder.depth
    z_a = z_b = 0.0
    for level, (t, v) in enumerate(zip(states_a[-depth:], states_b[-depth:], strict=True)):
        x = encoder.a.norms[level](
            t @ encoder.a.project.weight.T + encoder.a.project.bias + encoder.a.kinds.weight[0] + z_a
        )
        y = encoder.b.norms[level](
            v @ encoder.b.project.weight.T + encoder.b.project.bias + encoder.b.kinds.weight[0] + z_b
        )
        out = []
        for stream, own, other in ((encoder.a, x, y), (encoder.b, y, x)):
            layer = stream.layers[level]
            h = layer.own_residual.norm(own + layer.own(own, own))
            h = layer.cross_residual.norm(h + layer.cross(h, other))
            out.append(layer.mlp_residual.norm(h + layer.mlp(h)))
        z_a, z_b = out if bridged else (0.0, 0.0)
    z_a, z_b = out
    pooled = torch.cat([encoder.pool.a(z_a[:, 0]).tanh(), encoder.pool.b(z_b[:, 0]).tanh()], -1)
    return z_a, z_b, pooled


@pytest.mark.parametrize("depth", [1, 3])
def test_encoder_equals_the_paper_layer_by_layer(states, depth):
    encoder = BridgedCrossEncoder(8, 2, depth, width_a=6, width_b=10)
    for got, expected in zip(encoder(*states), slow_encoder(encoder, *states), strict=True):
        torch.testing.assert_close(got, expected)


def test_without_the_bridge_it_would_be_another_function(states):
    encoder = BridgedCrossEncoder(8, 2, 3, width_a=6, width_b=10)
    assert not torch.allclose(encoder(*states).pooled, slow_encoder(encoder, *states, bridged=False)[2], atol=1e-2)


def test_lower_levels_are_used_and_those_below_are_not(states):
    encoder = BridgedCrossEncoder(8, 2, 3, width_a=6, width_b=10)
    a, b = states
    plain = encoder(a, b).pooled
    zeroed = [torch.zeros_like(s) for s in a[:-1]] + a[-1:]
    assert not torch.allclose(encoder(zeroed, b).pooled, plain, atol=1e-3)
    below = [torch.full_like(a[0], torch.nan), *a[1:]]
    assert torch.equal(encoder(below, b).pooled, plain)


def test_both_sides_of_a_layer_are_computed_from_its_inputs(states):
    a, b = states
    encoder = BridgedCrossEncoder(8, 2, 2, width_a=6, width_b=10)
    swapped = BridgedCrossEncoder(8, 2, 2, width_a=10, width_b=6)
    swapped.a.load_state_dict(encoder.b.state_dict())
    swapped.b.load_state_dict(encoder.a.state_dict())
    out, other = encoder(a, b), swapped(b, a)
    torch.testing.assert_close(out.tokens_a, other.tokens_b)
    torch.testing.assert_close(out.tokens_b, other.tokens_a)


def test_padding_changes_neither_the_other_side_nor_the_pooled_vector(states):
    a, b = states
    encoder = BridgedCrossEncoder(8, 2, 3, width_a=6, width_b=10)
    plain = encoder(a, b)
    padded = [torch.cat([s, torch.full((2, 3, 6), torch.nan)], 1) for s in a]
    out = encoder(padded, b, torch.arange(7).expand(2, -1) < 4, None)
    torch.testing.assert_close(out.tokens_b, plain.tokens_b, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.pooled, plain.pooled, atol=1e-5, rtol=0)
    out.pooled.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


def test_gradient_reaches_every_used_state_directly(states):
    a, b = ([s.clone().requires_grad_() for s in side] for side in states)
    encoder = BridgedCrossEncoder(8, 2, 3, width_a=6, width_b=10)
    encoder(a, b).pooled.square().sum().backward()
    for side in (a, b):
        assert all(state.grad.abs().sum() > 0 for state in side[-3:])
        assert all(state.grad is None for state in side[:-3])


def test_the_second_input_of_a_modality_has_its_own_type(states):
    encoder = BridgedCrossEncoder(8, 2, 2, width_a=6, width_b=10, kinds_b=2)
    assert not torch.allclose(encoder(*states).pooled, encoder(*states, kind_b=1).pooled)


def test_too_few_states_are_refused(states):
    a, b = states
    encoder = BridgedCrossEncoder(8, 2, 5, width_a=6, width_b=10)
    with pytest.raises(ValueError, match="4 and 5 states were given to 5"):
        encoder(a, b)
    with pytest.raises(ValueError, match="depth 0"):
        BridgedCrossEncoder(8, 2, 0, width_a=6, width_b=10)


def tower(width):
    return nn.ModuleList(TransformerBlock(width, 2, 2.0, 0.0, 2) for _ in range(2))


def run(blocks, tokens):
    with HiddenStateTap(list(blocks)).listening() as states:
        for block in blocks:
            tokens = block(tokens, None)
    return states


def test_it_learns_the_exclusive_or_of_two_towers_which_no_linear_head_can():
    bits = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).repeat(8, 1)
    label = bits[:, 0] ^ bits[:, 1]
    embedding_a, embedding_b = torch.randn(2, 2, 16), torch.randn(2, 3, 16)
    a, b = embedding_a[bits[:, 0]], embedding_b[bits[:, 1]]
    towers = tower(16), tower(16)
    encoder, head = BridgedCrossEncoder(16, 2, 2, width_a=16, width_b=16), nn.Linear(32, 2)
    linear = nn.Linear(32, 2)
    parts = nn.ModuleList([*towers, encoder, head, linear])
    optimiser = torch.optim.Adam(parts.parameters(), lr=3e-3)
    for _ in range(60):
        pooled = encoder(run(towers[0], a), run(towers[1], b)).pooled
        apart = torch.cat([a.mean(1), b.mean(1)], -1)
        loss = nn.functional.cross_entropy(head(pooled), label) + nn.functional.cross_entropy(linear(apart), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (head(pooled).argmax(-1) == label).float().mean() > 0.95
    # Of an exclusive or the best linear head says one half for everything, and a loss of ln 2 is the least it can have.
    assert nn.functional.cross_entropy(linear(apart), label) >= math.log(2) - 1e-5
    for _ in range(300):
        loss = nn.functional.cross_entropy(linear(apart), label)
        (slope_w, slope_b) = torch.autograd.grad(loss, (linear.weight, linear.bias))
        with torch.no_grad():
            linear.weight.sub_(0.5 * slope_w)
            linear.bias.sub_(0.5 * slope_b)
    assert (linear(apart).softmax(-1) - 0.5).abs().max() < 0.05
