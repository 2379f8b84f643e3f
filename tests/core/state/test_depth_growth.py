from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from crossmod.state.depth_growth import insert_blocks_, make_identity_
from crossmod.text.block import TransformerBlock

OUTPUTS = ("attention_out", "mlp_out")


def _block() -> TransformerBlock:
    return TransformerBlock(8, 2, 4.0, 0.0, 3)


def _run(blocks: nn.ModuleList, tokens: Tensor) -> Tensor:
    for block in blocks:
        tokens = block(tokens, None)
    return tokens


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_deeper_tower_computes_what_it_computed_and_learns_at_once(position: int) -> None:
    blocks = nn.ModuleList(_block() for _ in range(3))
    old = [id(block) for block in blocks]
    tokens = torch.randn(2, 5, 8)
    before = _run(blocks, tokens)
    names = insert_blocks_(blocks, position, [_block(), _block()], OUTPUTS)
    after = _run(blocks, tokens)
    assert torch.allclose(after, before, atol=1e-5)
    assert len(blocks) == 5
    assert [id(blocks[int(new)]) for new in names] == old
    assert list(names.values()) == ["0", "1", "2"]
    after.square().sum().backward()
    gradient = blocks[position].mlp_out.weight.grad
    assert gradient is not None and float(gradient.abs().max()) > 0


def test_attention_over_time_that_starts_as_nothing_leaves_a_still_recording_the_picture_it_is() -> None:
    """Divided space-time attention with a zeroed output in time (Youku-mPLUG, TimeSformer), exactly."""
    over_time, within = make_identity_(_block(), OUTPUTS), _block()
    picture = torch.randn(2, 5, 8)
    frames = picture[:, None].expand(2, 4, 5, 8)
    mixed = over_time(frames.transpose(1, 2).flatten(0, 1), None).view(2, 5, 4, 8).transpose(1, 2)
    moving = within(mixed.flatten(0, 1), None).view(2, 4, 5, 8)
    still = within(picture, None)
    assert torch.equal(mixed, frames)
    assert torch.allclose(moving, still[:, None].expand_as(moving), atol=1e-6)
    assert torch.equal(moving, within(frames.flatten(0, 1), None).view(2, 4, 5, 8))


def test_refuses_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no layer 'out' to zero; it has"):
        make_identity_(_block(), ["out"])
    with pytest.raises(ValueError, match="the tower has 1"):
        insert_blocks_(nn.ModuleList([_block()]), 2, [_block()], OUTPUTS)
