"""Both granularities of evidence: check 4 of the sheet simcrop."""

import pytest
import torch

from crossmod.fusion.cross_granularity import CrossGranularityDecoder, CrossGranularityLayer


def slow_layer(layer, tokens, context, pooled, *, local=True, whole=True):
    """Self-attention, both branches or one, MLP, each with the norm after its sum."""
    tokens = layer.own_residual.norm(tokens + layer.own(tokens, tokens))
    added = torch.zeros_like(tokens)
    if local:
        added = added + layer.cross(tokens, context)
    if whole:
        added = added + (pooled @ layer.whole.weight.T)[:, None]
    tokens = layer.evidence_residual.norm(tokens + added)
    return layer.mlp_residual.norm(tokens + layer.mlp(tokens))


@pytest.fixture
def parts():
    torch.manual_seed(0)
    layer = CrossGranularityLayer(8, 2, context_width=6)
    return layer, torch.randn(2, 3, 8), torch.randn(2, 5, 6), torch.randn(2, 6)


def test_the_layer_is_its_definition(parts):
    layer, *inputs = parts
    torch.testing.assert_close(layer(*inputs), slow_layer(layer, *inputs))


def test_without_the_output_of_cross_attention_only_the_global_path_is_left(parts):
    layer, tokens, context, pooled = parts
    torch.nn.init.zeros_(layer.cross.out.weight)
    torch.nn.init.zeros_(layer.cross.out.bias)
    found = layer(tokens, context, pooled)
    torch.testing.assert_close(found, slow_layer(layer, tokens, context, pooled, local=False))
    assert torch.equal(found, layer(tokens, torch.randn(2, 4, 6), pooled))
    assert not torch.allclose(found, layer(tokens, context, torch.randn(2, 6)), atol=1e-3)


def test_without_the_global_token_only_cross_attention_is_left(parts):
    layer, tokens, context, pooled = parts
    torch.nn.init.zeros_(layer.whole.weight)
    found = layer(tokens, context, pooled)
    torch.testing.assert_close(found, slow_layer(layer, tokens, context, pooled, whole=False))
    assert torch.equal(found, layer(tokens, context, torch.randn(2, 6)))
    assert not torch.allclose(found, layer(tokens, torch.randn(2, 5, 6), pooled), atol=1e-3)


def test_the_decoder_reads_the_real_context_and_its_mean():
    decoder = CrossGranularityDecoder(4, 6, width=8, depth=2, heads=2)
    tokens, context = torch.randn(2, 3, 4), torch.randn(2, 5, 6)
    real = torch.arange(5) < torch.tensor([[5], [2]])
    found = decoder(tokens, context, context_mask=real)
    states = decoder.enter(tokens[1:])
    for layer in decoder.layers:
        states = slow_layer(layer, states, context[1:, :2], context[1:, :2].mean(1))
    torch.testing.assert_close(found[1:], states)
    spoilt = context.masked_fill(~real[..., None], torch.nan)
    assert torch.equal(decoder(tokens, spoilt, context_mask=real), found)


def test_padding_of_the_tokens_reaches_no_real_one():
    decoder = CrossGranularityDecoder(4, 6, width=8, depth=2, heads=2)
    tokens, context = torch.randn(1, 5, 4), torch.randn(1, 3, 6)
    real = torch.tensor([[True, True, True, False, False]])
    spoilt = tokens.masked_fill(~real[..., None], torch.nan)
    found = decoder(spoilt, context, mask=real)
    torch.testing.assert_close(found[:, :3], decoder(tokens[:, :3], context))


def test_inputs_that_do_not_fit_are_refused(parts):
    layer, tokens, context, pooled = parts
    with pytest.raises(ValueError, match="number of samples"):
        layer(tokens, context, pooled[:1])
    with pytest.raises(ValueError, match="context_mask"):
        layer(tokens, context, pooled, context_mask=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="heads"):
        CrossGranularityLayer(8, 3)


def test_gradients_are_those_of_finite_differences():
    layer = CrossGranularityLayer(4, 2, context_width=3).double()
    inputs = [torch.randn(2, *shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 4), (3, 3), (3,))]
    assert torch.autograd.gradcheck(layer, inputs)
