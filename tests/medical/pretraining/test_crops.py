"""Crops, turns and hidden cubes: check 5 of the sheet velvet-med, and the loss over hidden voxels."""

from __future__ import annotations

import pytest
import torch

from crossmod_medical.pretraining.crops import cuboid_masking, draw_crops, draw_turns, draw_view, turn_about_z
from crossmod_medical.pretraining.inpainting import InpaintingDecoder, inpainting_loss


def test_labels_of_rotation_are_balanced_over_4000_draws() -> None:
    counts = torch.bincount(draw_turns(4000, torch.Generator().manual_seed(0)), minlength=4)
    assert len(counts) == 4
    # Four deviations of a fair draw, which is the square root of 4000 / 4 * 3 / 4.
    assert bool(((counts - 1000).abs() < 4 * 750**0.5).all())


def test_a_view_is_turned_as_its_label_says() -> None:
    x = torch.rand(12, 2, 32, 32, 32)
    generator = torch.Generator().manual_seed(3)
    view = draw_view(x, (32, 32, 32), 8, (0.3, 0.6), generator)
    assert set(view.turn.tolist()) == {0, 1, 2, 3}
    for row, quarter in enumerate(view.turn.tolist()):
        assert torch.equal(view.x[row], torch.rot90(x[row], quarter, (2, 3)))
        torch.testing.assert_close(view.x[row].mean((2, 3)), x[row].mean((2, 3)))
        assert torch.equal(turn_about_z(view.x[row : row + 1], torch.tensor([4 - quarter]))[0], x[row])
    assert not bool(view.masked[view.hidden[:, None].expand_as(view.x)].any())
    seen = ~view.hidden[:, None].expand_as(view.x)
    assert torch.equal(view.masked[seen], view.x[seen])


def test_hidden_cubes_are_whole_and_their_share_lies_in_its_range() -> None:
    hidden = cuboid_masking(200, (32, 64, 32), 8, (0.3, 0.6), torch.Generator().manual_seed(0))
    cubes = hidden.view(200, 4, 8, 8, 8, 4, 8).permute(0, 1, 3, 5, 2, 4, 6).flatten(4)
    assert torch.equal(cubes.all(4), cubes.any(4))
    share = cubes.all(4).flatten(1).double().mean(1)
    # 128 cubes: shares are rounded to one of them.
    assert float(share.min()) >= 0.3 - 0.5 / 128 and float(share.max()) <= 0.6 + 0.5 / 128
    assert float(share.min()) < 0.35 and float(share.max()) > 0.55
    assert cuboid_masking(50, (32, 32, 32), 16, (0.01, 0.01)).flatten(1).double().mean(1).unique().tolist() == [0.125]


def test_crops_lie_anywhere_and_hold_what_was_there() -> None:
    x = torch.arange(40 * 36 * 34).view(1, 1, 40, 36, 34).float().expand(64, -1, -1, -1, -1)
    crops = draw_crops(x, (32, 32, 32), torch.Generator().manual_seed(0))
    first = crops[:, 0, 0, 0, 0].long()
    starts = torch.stack([first // (36 * 34), first // 34 % 36, first % 34], 1)
    assert starts.amin(0).tolist() == [0, 0, 0] and starts.amax(0).tolist() == [8, 4, 2]
    for row in range(4):
        d, h, w = starts[row].tolist()
        assert torch.equal(crops[row, 0], x[row, 0, d : d + 32, h : h + 32, w : w + 32])
    with pytest.raises(ValueError, match="do not fit"):
        draw_crops(x, (48, 32, 32))


def test_the_inpainting_loss_depends_on_hidden_voxels_alone() -> None:
    prediction = torch.randn(2, 1, 8, 8, 8, requires_grad=True)
    target = torch.rand(2, 1, 8, 8, 8)
    hidden = cuboid_masking(2, (8, 8, 8), 4, (0.3, 0.6))
    loss = inpainting_loss(prediction, target, hidden)
    expected = [(prediction[row, 0][hidden[row]] - target[row, 0][hidden[row]]).abs().mean() for row in range(2)]
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    loss.backward()
    assert torch.equal(prediction.grad[:, 0] != 0, hidden)
    elsewhere = torch.where(hidden[:, None], prediction.detach(), torch.full_like(target, torch.nan))
    wild = torch.where(hidden[:, None], target, torch.full_like(target, torch.nan))
    assert torch.equal(inpainting_loss(elsewhere, wild, hidden), loss)


def test_the_decoder_gives_the_size_of_the_encoders_input() -> None:
    assert InpaintingDecoder(48, 3)(torch.randn(2, 48, 1, 2, 1)).shape == (2, 3, 32, 64, 32)


def test_what_cannot_be_hidden_or_turned_is_refused() -> None:
    with pytest.raises(ValueError, match="do not take parts"):
        cuboid_masking(1, (32, 32, 32), 7, (0.3, 0.6))
    with pytest.raises(ValueError, match="do not take parts"):
        cuboid_masking(1, (32, 32, 32), 8, (0.6, 0.3))
    with pytest.raises(ValueError, match="one cube"):
        cuboid_masking(1, (8, 8, 8), 8, (0.3, 0.6))
    with pytest.raises(ValueError, match="square"):
        turn_about_z(torch.zeros(1, 1, 2, 4, 6), torch.zeros(1, dtype=torch.int64))
