import pytest
import torch

from crossmod.fusion.masks import build_mask
from crossmod.fusion.multi_source import MultiSourceEncoder, concatenate_sources
from crossmod.fusion.resampler import Source


@pytest.fixture
def encoder():
    encoder = MultiSourceEncoder(8, 2, 2, {"atoms": 6, "neighbours": 5})
    for layer in encoder.layers:
        torch.nn.init.normal_(layer.cross.out.bias)
    return encoder


@pytest.fixture
def held():
    atoms = Source(torch.randn(2, 5, 6), torch.arange(5) < torch.tensor([[5], [3]]))
    neighbours = Source(torch.randn(2, 4, 5), torch.arange(4) < torch.tensor([[2], [4]]))
    return torch.randn(2, 3, 8), {"atoms": atoms, "neighbours": neighbours}


def test_sources_stand_side_by_side_with_their_masks():
    a, b = torch.randn(2, 2, 4), torch.randn(2, 3, 4)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    tokens, masks = concatenate_sources([(a, None), (b, mask)])
    assert torch.equal(tokens, torch.cat([a, b], 1))
    assert torch.equal(masks, torch.cat([torch.ones(2, 2, dtype=torch.bool), mask], 1))


def test_text_attends_to_all_sources_under_one_softmax(encoder, held):
    text, sources = held
    context = torch.cat([encoder.enter[f"source_{name}"](source.tokens) for name, source in sources.items()], 1)
    mask = torch.cat([source.mask for source in sources.values()], 1)
    expected = text
    for layer in encoder.layers:
        expected = layer(expected, context, context_mask=mask)
    torch.testing.assert_close(encoder(text, None, sources), expected)


def test_padded_keys_have_no_influence(encoder, held):
    text, sources = held
    spoiled = {
        name: Source(source.tokens.masked_fill(~source.mask[..., None], torch.nan), source.mask)
        for name, source in sources.items()
    }
    out = encoder(text, None, spoiled)
    assert torch.equal(out, encoder(text, None, sources))
    out.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


@pytest.mark.parametrize("absent", ["atoms", "neighbours", "both"])
def test_a_source_that_is_all_padding_is_none(encoder, held, absent):
    text, sources = held
    names = list(sources) if absent == "both" else [absent]
    padded = {
        name: Source(source.tokens, torch.zeros_like(source.mask)) if name in names else source
        for name, source in sources.items()
    }
    none = {name: None if name in names else source for name, source in sources.items()}
    torch.testing.assert_close(encoder(text, None, padded), encoder(text, None, none), rtol=0, atol=1e-6)


def test_each_source_and_its_permutation(encoder, held):
    text, sources = held
    plain, order = encoder(text, None, sources), torch.tensor([3, 0, 4, 1, 2])
    atoms = sources["atoms"]
    turned = {**sources, "atoms": Source(atoms.tokens[:, order], atoms.mask[:, order])}
    torch.testing.assert_close(encoder(text, None, turned), plain)
    for name in sources:
        assert not torch.allclose(encoder(text, None, {**sources, name: None}), plain)


def test_causal_text_reads_sources_and_no_future(encoder, held):
    text, sources = held
    later = torch.cat([text[:, :2], torch.randn(2, 1, 8)], 1)
    before, after = (encoder(x, None, sources, self_mask=build_mask("causal", 3)) for x in (text, later))
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.allclose(before[:, 2], after[:, 2])


def test_a_gated_encoder_starts_deaf(held):
    text, sources = held
    encoder = MultiSourceEncoder(8, 2, 2, {"atoms": 6, "neighbours": 5}, norm="pre", gate="tanh")
    assert torch.equal(encoder(text, None, sources), encoder(text, None, dict.fromkeys(sources)))


def test_sources_that_do_not_fit_are_refused(encoder, held):
    text, sources = held
    with pytest.raises(ValueError, match="reads atoms, neighbours and was given atoms"):
        encoder(text, None, {"atoms": sources["atoms"]})
    with pytest.raises(ValueError, match="mask of neighbours"):
        encoder(text, None, {**sources, "neighbours": Source(sources["neighbours"].tokens, sources["atoms"].mask)})
    with pytest.raises(ValueError, match="without a dot"):
        MultiSourceEncoder(8, 2, 2, {"a.b": 6})
    with pytest.raises(ValueError, match="no source"):
        MultiSourceEncoder(8, 2, 2, {})
