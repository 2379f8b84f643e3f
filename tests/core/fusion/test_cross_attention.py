import pytest
import torch

from crossmod.fusion.cross_attention import CrossAttentionLayer
from crossmod.fusion.masks import build_mask

ORDERS = ["self-cross-mlp", "cross-self-mlp", "cross-mlp"]


def slow_layer(layer, tokens, context):
    """The three branches in their order, with the norm where the layer says it stands."""
    for branch in layer.order:
        residual, act = {
            "self": (layer.own_residual, lambda x: layer.own(x, x)),
            "cross": (layer.cross_residual, lambda x: layer.cross(x, context)),
            "mlp": (layer.mlp_residual, layer.mlp),
        }[branch]
        if residual.place == "post":
            tokens = residual.norm(tokens + act(tokens))
        else:
            tokens = tokens + act(residual.norm(tokens))
    return tokens


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("order", ORDERS)
def test_order_and_norm_are_as_asked(order, norm):
    layer = CrossAttentionLayer(8, 2, context_width=6, order=order, norm=norm)
    tokens, context = torch.randn(2, 3, 8), torch.randn(2, 4, 6)
    torch.testing.assert_close(layer(tokens, context), slow_layer(layer, tokens, context))


@pytest.mark.parametrize("gate", ["tanh", "scalar", "channel"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_gated_layer_starts_as_the_layer_without_context(order, gate):
    layer = CrossAttentionLayer(8, 2, order=order, gate=gate)
    tokens, context = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    assert torch.equal(layer(tokens, context), layer(tokens))
    layer(tokens, context).square().sum().backward()
    assert layer.cross_residual.gate.alpha.grad.abs().max() > 0
    assert not layer.cross.out.weight.grad.any()


def test_without_context_the_cross_attention_is_never_called():
    layer, calls = CrossAttentionLayer(8, 2), []
    layer.cross.register_forward_hook(lambda *_: calls.append(1))
    layer(torch.randn(1, 2, 8))
    assert not calls


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_context_that_is_wholly_masked_is_no_context(norm):
    layer = CrossAttentionLayer(8, 2, norm=norm)
    tokens, context = torch.randn(2, 3, 8), torch.full((2, 4, 8), torch.nan)
    hidden = layer(tokens, context, context_mask=torch.zeros(2, 4, dtype=torch.bool))
    torch.testing.assert_close(hidden, layer(tokens), rtol=0, atol=0)


def test_padding_of_either_side_changes_nothing():
    layer = CrossAttentionLayer(8, 2, context_width=6)
    tokens, context = torch.randn(2, 3, 8), torch.randn(2, 4, 6)
    expected = layer(tokens, context)
    mask, context_mask = torch.arange(5).expand(2, -1) < 3, torch.arange(6).expand(2, -1) < 4
    out = layer(
        torch.cat([tokens, torch.randn(2, 2, 8)], 1),
        torch.cat([context, torch.randn(2, 2, 6)], 1),
        mask=mask,
        context_mask=context_mask,
    )
    torch.testing.assert_close(out[:, :3], expected)


@pytest.mark.parametrize("order", ORDERS[:2])
def test_a_causal_layer_leaks_nothing_backwards(order):
    layer = CrossAttentionLayer(8, 2, order=order)
    tokens, context = torch.randn(1, 5, 8), torch.randn(1, 3, 8)
    mask = build_mask("causal", 5)
    later = tokens.clone()
    later[0, 3] = torch.arange(8.0)
    before, after = (layer(x, context, self_mask=mask) for x in (tokens, later))
    assert torch.equal(before[0, :3], after[0, :3]) and not torch.allclose(before[0, 3:], after[0, 3:])


def test_a_prefix_is_read_both_ways_and_its_padding_not_at_all():
    layer = CrossAttentionLayer(8, 2)
    tokens = torch.randn(1, 6, 8)
    real = torch.tensor([[False, True, True, True, True, True]])
    mask = build_mask("prefix", 6, prefix=4, real=real)

    def out(changed):
        other = tokens.clone()
        other[0, changed] = torch.arange(8.0)
        return layer(other, self_mask=mask)[0]

    plain = layer(tokens, self_mask=mask)[0]
    assert not torch.allclose(out(3)[1], plain[1])
    assert torch.equal(out(4)[1:4], plain[1:4])
    assert torch.equal(out(0)[1:], plain[1:])


@pytest.mark.parametrize("gate", ["none", "tanh"])
def test_gradients_agree_with_finite_differences(gate):
    layer = CrossAttentionLayer(4, 2, gate=gate).double()
    if gate == "tanh":
        torch.nn.init.constant_(layer.cross_residual.gate.alpha, 0.3)
    tokens, context = (torch.randn(2, n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 3))
    mask = torch.tensor([[True, False, True], [False, False, False]])
    assert torch.autograd.gradcheck(lambda x, y: layer(x, y, context_mask=mask), (tokens, context))


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="'mlp-cross'"):
        CrossAttentionLayer(8, 2, order="mlp-cross")
