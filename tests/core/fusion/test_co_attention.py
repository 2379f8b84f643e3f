import pytest
import torch

from crossmod.fusion.co_attention import CoAttentionLayer, RegionEmbedding


def slow_layer(layer, h, v):
    """a, b, c of the sheet's cross stage, both reads from the layer's inputs."""

    def read(module, x, context):
        return module.residual.norm(x + module.attention(x, context))

    h1, v1 = read(layer.cross[0], h, v), read(layer.cross[-1], v, h)
    out = []
    for own, x in ((layer.own_a, h1), (layer.own_b, v1)):
        x = read(own.read, x, x)
        out.append(own.residual.norm(x + own.mlp(x)))
    return out


@pytest.mark.parametrize("share", [True, False])
def test_layer_equals_the_paper(share):
    layer = CoAttentionLayer(8, 2, share_cross=share)
    h, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    for got, expected in zip(layer(h, v), slow_layer(layer, h, v), strict=True):
        torch.testing.assert_close(got, expected)


def test_sharing_halves_the_cross_parameters_and_treats_equal_sides_equally():
    def size(module):
        return sum(parameter.numel() for parameter in module.parameters())

    shared, apart = CoAttentionLayer(8, 2, share_cross=True), CoAttentionLayer(8, 2, share_cross=False)
    assert 2 * size(shared.cross) == size(apart.cross)
    x = torch.randn(2, 4, 8)
    assert torch.equal(*shared.read(x, x))
    assert not torch.allclose(*apart.read(x, x))


def test_permuted_regions_permute_their_states_and_leave_the_text_alone():
    embed, layer = RegionEmbedding(10, 6, 8), CoAttentionLayer(8, 2)
    features, geometry, text = torch.randn(2, 5, 10), torch.rand(2, 5, 6), torch.randn(2, 3, 8)
    mask = torch.tensor([[True] * 5, [True, False, True, True, False]])
    order = torch.tensor([3, 1, 4, 0, 2])
    plain_text, plain = layer(text, embed(features, geometry), None, mask)
    out_text, out = layer(text, embed(features[:, order], geometry[:, order]), None, mask[:, order])
    torch.testing.assert_close(out, plain[:, order])
    torch.testing.assert_close(out_text, plain_text)


def test_padded_regions_have_no_influence():
    layer = CoAttentionLayer(8, 2)
    text, regions = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    mask = torch.arange(5).expand(2, -1) < 3
    short_text, short = layer(text, regions[:, :3])
    out_text, out = layer(text, regions.masked_fill(~mask[..., None], torch.nan), None, mask)
    torch.testing.assert_close(out_text, short_text)
    torch.testing.assert_close(out[:, :3], short)


def test_region_embedding_is_the_mean_of_two_norms():
    embed = RegionEmbedding(10, 4, 8)
    features, geometry = torch.randn(2, 5, 10), torch.rand(2, 5, 4)
    out = embed(features, geometry)
    torch.testing.assert_close(out, (embed.feature(features) + embed.geometry(geometry)) / 2)
    torch.testing.assert_close(embed(1e3 * features, geometry).mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)


def test_gradients_agree_with_finite_differences():
    layer = CoAttentionLayer(4, 2).double()
    h, v = (torch.randn(1, n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 3))
    assert torch.autograd.gradcheck(layer, (h, v))
