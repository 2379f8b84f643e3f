import pytest
import torch

from crossmod.fusion.prompt_pool import PromptPool, StandIns
from crossmod.fusion.two_stream import TwoStreamEncoder


@pytest.fixture
def encoder():
    return TwoStreamEncoder(8, 2, 4, width_a=6, width_b=10)


@pytest.fixture
def sides():
    return torch.randn(2, 3, 6), torch.randn(2, 5, 10)


def slow_encoder(encoder, text, image):
    """Layer by layer: self-attention, cross-attention to the other's state before the layer, MLP, each post-norm."""
    x, y = encoder.enter_a(text) + encoder.kinds[0], encoder.enter_b(image) + encoder.kinds[1]
    states = [(x, y)]
    for layer_a, layer_b in zip(encoder.layers_a, encoder.layers_b, strict=True):
        out = []
        for layer, own, other in ((layer_a, x, y), (layer_b, y, x)):
            h = layer.own_residual.norm(own + layer.own(own, own))
            h = layer.cross_residual.norm(h + layer.cross(h, other))
            out.append(layer.mlp_residual.norm(h + layer.mlp(h)))
        x, y = out
        states.append((x, y))
    return states, torch.cat([encoder.pool.a(x[:, 0]).tanh(), encoder.pool.b(y[:, 0]).tanh()], -1)


def test_it_equals_the_paper_layer_by_layer(encoder, sides):
    states, pooled = slow_encoder(encoder, *sides)
    out = encoder(*sides)
    assert len(out.a) == len(out.b) == 5
    for got_a, got_b, (x, y) in zip(out.a, out.b, states, strict=True):
        torch.testing.assert_close(got_a, x)
        torch.testing.assert_close(got_b, y)
    torch.testing.assert_close(out.pooled, pooled)


def test_both_streams_are_updated_from_the_states_before_the_layer(encoder, sides):
    turned = TwoStreamEncoder(8, 2, 4, width_a=10, width_b=6)
    turned.layers_a, turned.layers_b = encoder.layers_b, encoder.layers_a
    turned.enter_a, turned.enter_b = encoder.enter_b, encoder.enter_a
    turned.kinds.data.copy_(encoder.kinds.flip(0))
    out, other = encoder(*sides), turned(*reversed(sides))
    assert torch.equal(out.a[-1], other.b[-1]) and torch.equal(out.b[-1], other.a[-1])


def test_a_shallower_task_trains_both_towers_and_no_layer_above_it(encoder, sides):
    a, b = (side.clone().requires_grad_() for side in sides)
    out = encoder(a, b, layers=3)
    torch.testing.assert_close(out.b[-1], encoder(a, b).b[3])
    out.b[-1].pow(3).sum().backward()
    assert a.grad.any() and b.grad.any()
    for depth, layer in enumerate(encoder.layers_b):
        assert any(p.grad is not None and p.grad.any() for p in layer.parameters()) == (depth < 3)
    # What enters b's layer 3 has read a's states before layer 2: a's layer 2 has no part in it.
    assert [any(p.grad is not None and p.grad.any() for p in layer.parameters()) for layer in encoder.layers_a] == [
        True,
        True,
        False,
        False,
    ]
    a.grad = b.grad = None
    encoder(a, b).a[-1].pow(3).sum().backward()
    assert a.grad.any() and b.grad.any()


def test_padding_of_either_side_changes_nothing(encoder, sides):
    a, b = sides
    plain = encoder(a, b)
    mask_a, mask_b = torch.arange(4).expand(2, -1) < 3, torch.arange(7).expand(2, -1) < 5
    padded_a = torch.cat([a, torch.full((2, 1, 6), torch.nan)], 1)
    padded_b = torch.cat([b, torch.full((2, 2, 10), torch.nan)], 1)
    out = encoder(padded_a, padded_b, mask_a, mask_b)
    torch.testing.assert_close(out.a[-1][:, :3], plain.a[-1])
    torch.testing.assert_close(out.b[-1][:, :5], plain.b[-1])
    torch.testing.assert_close(out.pooled, plain.pooled)
    out.pooled.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


def test_one_model_runs_on_either_modality_alone_and_on_pairs_as_without_pools(encoder, sides):
    a, b = sides
    stand_ins = StandIns(PromptPool(20, 6, 3, query_width=10), PromptPool(20, 10, 5, query_width=6))

    def run(a, b):
        tokens_a, mask_a, tokens_b, mask_b = stand_ins(a, b)
        return encoder(tokens_a, tokens_b, mask_a, mask_b)

    assert torch.equal(run(a, b).pooled, encoder(a, b).pooled)
    for only_a, only_b, learned, idle in ((a, None, "pool_b", "pool_a"), (None, b, "pool_a", "pool_b")):
        stand_ins.zero_grad()
        out = run(only_a, only_b)
        assert out.pooled.shape == (2, 16) and out.a[-1].shape == (2, 3, 8) and out.b[-1].shape == (2, 5, 8)
        out.pooled.pow(3).sum().backward()
        assert getattr(stand_ins, learned).rows.grad.any() and getattr(stand_ins, idle).rows.grad is None


def test_what_does_not_fit_is_refused(encoder, sides):
    with pytest.raises(ValueError, match="5 layers were asked for from an encoder of 4"):
        encoder(*sides, layers=5)
    with pytest.raises(ValueError, match="depth 0"):
        TwoStreamEncoder(8, 2, 0, width_a=6, width_b=10)
