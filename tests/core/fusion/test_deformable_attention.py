import pytest
import torch

from crossmod.fusion.deformable_attention import DeformableSampler3D
from crossmod.fusion.deformable_tokens import DeformableFusion, DeformableTokenSearch
from crossmod.fusion.volume_sampling import cell_centres, sample_volume


def aimed(width, heads, offset, **options):
    """A sampler whose every point lies at one offset, in cells (x, y, z)."""
    sampler = DeformableSampler3D(width, heads, **options)
    sampler.offset.bias.data.view(-1, 3).copy_(torch.tensor(offset, dtype=torch.float32))
    return sampler


def references(batch, *size):
    return cell_centres(*size).expand(batch, -1, -1)


def test_without_offset_each_query_reads_its_own_cell():
    sampler, volume = aimed(8, 2, [0, 0, 0], points=3), torch.randn(2, 2, 3, 4, 8)
    out = sampler(volume.flatten(1, 3), references(2, 2, 3, 4), [volume])
    torch.testing.assert_close(out, sampler.out(sampler.value(volume)).flatten(1, 3))


@pytest.mark.parametrize("axis, dimension", [(0, 3), (1, 2), (2, 1)])
def test_one_cell_along_x_y_z_is_the_neighbour_along_width_height_depth(axis, dimension):
    offset = [0, 0, 0]
    offset[axis] = 1
    sampler, volume = aimed(8, 2, offset, points=1), torch.randn(2, 2, 3, 4, 8)
    out = sampler(volume.flatten(1, 3), references(2, 2, 3, 4), [volume]).view(2, 2, 3, 4, 8)
    size = volume.shape[dimension]
    expected = sampler.out(sampler.value(volume.narrow(dimension, 1, size - 1)))
    torch.testing.assert_close(out.narrow(dimension, 0, size - 1), expected)
    outside = out.narrow(dimension, size - 1, 1)
    torch.testing.assert_close(outside, sampler.out.bias.expand_as(outside))


def slow_sampler(sampler, queries, places, volumes):
    """Sample by sample, head by head, level by level, point by point."""
    batch, count, width = queries.shape
    heads, levels, points, size = sampler.heads, sampler.levels, sampler.points, width // sampler.heads
    out = torch.zeros(batch, count, width, dtype=queries.dtype)
    for b in range(batch):
        for q in range(count):
            offset = sampler.offset(queries[b, q]).view(heads, levels, points, 3)
            weight = sampler.weight(queries[b, q]).view(heads, levels * points).softmax(-1).view(heads, levels, points)
            for m in range(heads):
                for level, volume in enumerate(volumes):
                    depth, height, breadth = volume.shape[1:4]
                    value = sampler.value(volume[b])[..., m * size : (m + 1) * size].movedim(-1, 0)
                    for k in range(points):
                        scale = torch.tensor([breadth, height, depth], dtype=queries.dtype)
                        place = places[b, q] + offset[m, level, k] / scale
                        sample = sample_volume(value[None], place[None, None])[0, 0]
                        out[b, q, m * size : (m + 1) * size] += weight[m, level, k] * sample
    return sampler.out(out)


def test_it_equals_the_loop_over_levels_heads_and_points():
    sampler = DeformableSampler3D(8, 2, points=3, levels=2).double()
    torch.nn.init.normal_(sampler.offset.weight, std=0.3)
    torch.nn.init.normal_(sampler.weight.weight)
    queries, places = torch.randn(2, 5, 8).double(), torch.rand(2, 5, 3).double()
    volumes = [torch.randn(2, 2, 3, 4, 8).double(), torch.randn(2, 1, 2, 2, 8).double()]
    torch.testing.assert_close(sampler(queries, places, volumes), slow_sampler(sampler, queries, places, volumes))


def test_heads_start_in_different_directions_further_point_by_point():
    sampler = DeformableSampler3D(9, 3, points=4, levels=2)
    offsets = sampler.offset(torch.randn(9)).view(3, 2, 4, 3)
    far = torch.arange(1, 5.0).expand(3, 2, 4)
    torch.testing.assert_close(offsets.norm(dim=-1), far)
    directions = offsets[:, 0, 0]
    assert (directions @ directions.T - torch.eye(3)).max() < 0.5
    assert torch.equal(sampler.weight(torch.randn(9)), torch.zeros(24))


def test_gradients_reach_offsets_and_agree_with_finite_differences():
    sampler = DeformableSampler3D(4, 2, points=2).double()
    torch.nn.init.normal_(sampler.offset.weight, std=0.2)
    torch.nn.init.normal_(sampler.offset.bias, std=0.4)
    queries, volume = (
        torch.randn(1, 3, 4).double().requires_grad_(),
        torch.randn(1, 2, 2, 3, 4).double().requires_grad_(),
    )
    places = torch.rand(1, 3, 3).double()
    assert torch.autograd.gradcheck(lambda q, v: sampler(q, places, [v]), (queries, volume))
    sampler(queries, places, [volume]).square().sum().backward()
    assert sampler.offset.weight.grad.abs().sum() > 0 and sampler.weight.weight.grad.abs().sum() > 0


def test_padding_samples_as_outside_does_and_batch_rows_are_independent():
    sampler, volume = DeformableSampler3D(8, 2), torch.randn(2, 2, 3, 4, 8)
    queries, places = torch.randn(2, 5, 8), torch.rand(2, 5, 3)
    mask = torch.ones(2, 2, 3, 4, dtype=torch.bool)
    mask[1, :, :, 2:] = False
    out = sampler(queries, places, [volume.masked_fill(~mask[..., None], torch.nan)], [mask])
    assert out.isfinite().all()
    torch.testing.assert_close(out[0], sampler(queries, places, [volume])[0])
    turned = sampler(queries.flip(0), places.flip(0), [volume.flip(0)], [mask.flip(0)])
    torch.testing.assert_close(turned, out.flip(0))
    with pytest.raises(ValueError, match="2 volumes were given to a sampler of 1"):
        sampler(queries, places, [volume, volume])
    with pytest.raises(ValueError, match="divide into 3 heads"):
        DeformableSampler3D(8, 3)


def test_a_search_starts_from_the_regular_grid_and_learns_to_leave_it():
    search, volume = DeformableTokenSearch(4, stride=1, reach=2.0), torch.randn(2, 2, 3, 4, 4)
    tokens, places = search(volume)
    torch.testing.assert_close(places, references(2, 2, 3, 4))
    torch.testing.assert_close(tokens, volume.flatten(1, 3))
    tokens.square().sum().backward()
    assert search.offset.weight.grad.abs().sum() > 0
    search.offset.bias.data.fill_(100.0)
    far = search(volume)[1] - places
    torch.testing.assert_close(far, torch.tensor([2 / 4, 2 / 3, 2 / 2]).expand_as(far))


def test_a_stride_thins_the_searched_tokens():
    tokens, _ = DeformableTokenSearch(4, stride=2)(torch.randn(1, 4, 4, 6, 4))
    assert tokens.shape == (1, 2 * 2 * 3, 4)


def test_fusion_attends_from_everything_to_searched_and_other_tokens():
    fusion, volume, tokens = DeformableFusion(8, 2), torch.randn(2, 2, 3, 4, 8), torch.randn(2, 5, 8)
    torch.nn.init.normal_(fusion.search.offset.weight)
    held = torch.cat([volume.flatten(1, 3), tokens], 1)
    normed = fusion.residual.norm(held)
    searched, places = fusion.search(normed[:, :24].view(2, 2, 3, 4, 8))
    for b, sample in enumerate(places):
        found = [
            sample_volume(normed[b : b + 1, :24].view(1, 2, 3, 4, 8).movedim(-1, 1), p[None, None]) for p in sample
        ]
        torch.testing.assert_close(searched[b], torch.cat(found, 1)[0])
    read = held + fusion.attention(normed, torch.cat([searched, normed[:, 24:]], 1))
    expected = read + fusion.mlp(fusion.mlp_residual.norm(read))
    grid, kept = fusion(volume, tokens)
    torch.testing.assert_close(torch.cat([grid.flatten(1, 3), kept], 1), expected)


def test_fusion_keeps_shapes_ignores_masked_tokens_and_runs_with_one_modality():
    fusion = DeformableFusion(8, 2)
    volume, tokens = torch.randn(2, 2, 3, 4, 8), torch.randn(2, 5, 8)
    mask = torch.tensor([[True] * 5, [True, False, True, False, True]])
    out, kept = fusion(volume, tokens, mask)
    assert out.shape == volume.shape and kept.shape == tokens.shape
    other = tokens.clone()
    other[1, 1] = torch.arange(8.0)
    changed, moved = fusion(volume, other, mask)
    assert torch.equal(changed, out) and torch.equal(moved[mask], kept[mask])
    nothing, alone = fusion(None, tokens, mask)
    assert nothing is None and alone.shape == tokens.shape and not torch.allclose(alone, kept)
    without, none = fusion(volume, tokens[:, :0])
    assert without.shape == volume.shape and none.shape == (2, 0, 8)
    for got, expected in zip(fusion(volume.flip(0), tokens.flip(0), mask.flip(0)), (out, kept), strict=True):
        torch.testing.assert_close(got, expected.flip(0))
