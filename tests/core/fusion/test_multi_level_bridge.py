import copy

import pytest
import torch
from torch import nn

from crossmod.fusion.multi_level_bridge import BridgeInjection, MultiLevelBridge, MultiLevelProjection
from crossmod.objectives.matching.boxes import box_loss, corners, iou
from crossmod.text.block import TransformerBlock


@pytest.fixture
def bridge():
    return MultiLevelBridge(8, 2, levels=3, level_width=6, length=5)


@pytest.fixture
def levels():
    return [torch.randn(2, 4, 6) for _ in range(3)]


def test_levels_enter_as_they_are_at_first_and_scaled_afterwards(bridge, levels):
    for adapted, level in zip(bridge.adapted(levels), levels, strict=True):
        assert torch.equal(adapted, level)
    bridge.adapt.data[1, 2] = 0.5
    adapted = bridge.adapted(levels)
    torch.testing.assert_close(adapted[1][:, 2], 1.5 * levels[1][:, 2])
    assert torch.equal(adapted[0], levels[0]) and torch.equal(adapted[1][:, 3], levels[1][:, 3])


def test_it_is_the_formula(bridge, levels):
    torch.nn.init.normal_(bridge.adapt)
    tokens = torch.randn(2, 7, 8)
    joined = torch.cat([t + bridge.adapt[i, :4] * t for i, t in enumerate(levels)], -1)
    context = joined @ bridge.join.weight.T + bridge.join.bias
    expected = tokens + bridge.mlp(bridge.attention(bridge.norm(tokens), context))
    torch.testing.assert_close(bridge(tokens, levels), expected)


def test_samples_of_a_batch_are_independent(bridge, levels):
    tokens = torch.randn(2, 7, 8)
    other = [torch.stack([level[0], torch.randn(4, 6)]) for level in levels]
    torch.testing.assert_close(bridge(tokens, other)[0], bridge(tokens, levels)[0])


def test_padded_positions_have_no_influence(bridge, levels):
    tokens, mask = torch.randn(2, 7, 8), torch.tensor([[True, True, True, False], [True, False, False, False]])
    spoiled = [level.masked_fill(~mask[..., None], torch.nan) for level in levels]
    out = bridge(tokens, spoiled, mask)
    assert torch.equal(out, bridge(tokens, levels, mask))
    out.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in bridge.parameters())
    assert not bridge.adapt.grad[:, 3:].any() and bridge.adapt.grad[:, 0].abs().sum() > 0


def test_other_levels_than_it_was_built_for_are_refused(bridge, levels):
    with pytest.raises(ValueError, match="3 levels of at most 5 tokens"):
        bridge(torch.randn(2, 7, 8), levels[:2])
    with pytest.raises(ValueError, match=r"\[6, 6, 6\]"):
        bridge(torch.randn(2, 7, 8), [torch.randn(2, 6, 6)] * 3)


def test_injected_it_stands_between_the_residual_of_attention_and_the_mlp(bridge, levels):
    block, tokens = TransformerBlock(8, 2, 2.0, 0.0, 1), torch.randn(2, 7, 8)
    plain = block(tokens, None)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    h = tokens + block._attention(block.attention_norm(tokens), None)
    h = bridge(h, levels, mask)
    expected = h + block.mlp_out(nn.functional.gelu(block.mlp_in(block.mlp_norm(h))))
    injection = BridgeInjection(bridge, block)
    assert torch.equal(block(tokens, None), plain)
    with injection.given(levels, mask):
        torch.testing.assert_close(block(tokens, None), expected)
    assert torch.equal(block(tokens, None), plain)
    with pytest.raises(ValueError, match="no submodule 'attn'"):
        BridgeInjection(bridge, block, at="attn")


def test_a_frozen_tower_with_its_bridge_is_copied_whole_and_trains_the_bridge_alone(bridge, levels):
    block = TransformerBlock(8, 2, 2.0, 0.0, 1).requires_grad_(False)
    pair, tokens = nn.ModuleList([block, BridgeInjection(bridge, block)]), torch.randn(2, 7, 8)
    twin = copy.deepcopy(pair)
    with pair[1].given(levels):
        expected = pair[0](tokens, None)
    expected.square().sum().backward()
    assert all(parameter.grad is None for parameter in block.parameters())
    assert all(parameter.grad is not None for parameter in bridge.parameters())
    with torch.no_grad():
        for parameter in pair.parameters():
            parameter.add_(1.0)
    with twin[1].given(levels):
        torch.testing.assert_close(twin[0](tokens, None), expected)


def test_a_projection_starts_as_the_towers_own_for_every_level():
    own, states = nn.Linear(6, 4, bias=False), [torch.randn(2, 5, 6) for _ in range(3)]
    projection = MultiLevelProjection(3, 6, 4, initial=own.weight)
    torch.testing.assert_close(projection(states), sum(own(state) for state in states))
    assert projection.join.weight.requires_grad and projection.join.weight.data_ptr() != own.weight.data_ptr()
    with pytest.raises(ValueError, match=r"it has to be \[4, 6\]"):
        MultiLevelProjection(3, 6, 4, initial=torch.randn(6, 4))
    with pytest.raises(ValueError, match="2 states of 12 channels"):
        projection(states[:2])


def scenes(count, draw):
    """A 5 x 5 field with two 2 x 2 squares of different colours, the word for one of them, and its box (x, y)."""
    place = torch.randint(0, 4, (count, 2, 2), generator=draw)
    # One square in the upper rows, one in the lower, so that they never meet.
    place[..., 0] = torch.where(torch.rand(count, 1, generator=draw) < 0.5, torch.tensor([0, 3]), torch.tensor([3, 0]))
    colour = torch.stack([torch.randperm(3, generator=draw)[:2] for _ in range(count)])
    cell = torch.arange(5)
    inside = [(cell >= place[:, :, axis, None]) & (cell < place[:, :, axis, None] + 2) for axis in (0, 1)]
    square = (inside[0][..., :, None] & inside[1][..., None, :]).float()
    field = torch.einsum("bsyx,bsc->byxc", square, nn.functional.one_hot(colour, 3).float()).flatten(1, 2)
    return field, colour[:, 0], torch.cat([place[:, 0].flip(1) + 1, torch.full((count, 2), 2)], 1) / 5


def test_a_coloured_square_is_found_by_the_word_for_its_colour():
    draw = torch.Generator().manual_seed(1)
    words, enter, bridge = (
        nn.Embedding(3, 12),
        nn.Linear(3, 24),
        MultiLevelBridge(24, 2, levels=2, level_width=6, length=1),
    )
    mark = nn.Sequential(nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 1))
    place = nn.Sequential(nn.Linear(25, 32), nn.GELU(), nn.Linear(32, 4), nn.Sigmoid())
    modules = nn.ModuleList([words, enter, bridge, mark, place])
    optimiser = torch.optim.Adam(modules.parameters(), lr=1e-2)

    def boxes(field, word):
        return place(mark(bridge(enter(field), words(word)[:, None].chunk(2, -1)))[..., 0])

    for _ in range(200):
        field, word, target = scenes(64, draw)
        optimiser.zero_grad()
        box_loss(boxes(field, word), target).loss.backward()
        optimiser.step()
    field, word, target = scenes(500, draw)
    for spoken, least, most in ((word, 0.9, 1.0), ((word + 1) % 3, 0.0, 0.5)):
        found = iou(corners(boxes(field, spoken)), corners(target)) > 0.5
        assert least <= found.float().mean() <= most
