"""Frames of a decoder; acceptance check 5 of the sheet speecht5."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import pad

from crossmod.objectives.local.spectrogram import previous_frames, spectrogram_loss, stop_loss

MASK = torch.arange(7) < torch.tensor([[7], [4], [1]])


def _frames() -> list[torch.Tensor]:
    return list(torch.randn(3, 3, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def test_the_losses_are_those_of_loops() -> None:
    before, after, target = _frames()
    logits = before[..., 0]
    real = [(b, t) for b in range(3) for t in range(7) if MASK[b, t]]
    by_hand = sum(float((each[b, t] - target[b, t]).abs().mean()) for each in (before, after) for b, t in real)
    assert float(spectrogram_loss([before, after], target, MASK)) == pytest.approx(by_hand / len(real))
    stops = [
        5 * math.log1p(math.exp(-logits[b, t])) if t + 1 == int(MASK[b].sum()) else math.log1p(math.exp(logits[b, t]))
        for b, t in real
    ]
    assert float(stop_loss(logits, MASK)) == pytest.approx(sum(stops) / len(stops))


def test_more_padding_changes_nothing() -> None:
    before, after, target = (pad(each, (0, 0, 0, 7), value=9.0) for each in _frames())
    mask = pad(MASK, (0, 7))
    plain = _frames()
    assert torch.equal(spectrogram_loss(plain[:2], plain[2], MASK), spectrogram_loss([before, after], target, mask))
    assert torch.equal(stop_loss(plain[0][..., 0], MASK), stop_loss(before[..., 0], mask))


def test_gradients_are_those_of_finite_differences_and_padding_has_none() -> None:
    before, after, target = _frames()
    assert torch.autograd.gradcheck(
        lambda a, b: spectrogram_loss([a, b], target, MASK), (before.requires_grad_(), after.requires_grad_())
    )
    logits = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: stop_loss(x, MASK), logits)
    stop_loss(logits, MASK).backward()
    assert torch.equal(logits.grad != 0, MASK)


def test_a_step_reads_the_last_frame_of_the_step_before() -> None:
    target = torch.arange(1.0, 8.0).view(1, 7, 1)
    assert previous_frames(target)[0, :, 0].tolist() == [0, 2, 4]
    assert previous_frames(target, 1)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert previous_frames(target, 3)[0, :, 0].tolist() == [0, 3]
    assert previous_frames(target[:, :1]).shape == (1, 0, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_no_frame_and_half_precision_are_defined(dtype: torch.dtype) -> None:
    for rows, mask in ((3, torch.zeros(3, 7, dtype=torch.bool)), (0, MASK[:0])):
        frames = torch.zeros(rows, 7, 5, dtype=dtype, requires_grad=True)
        loss = spectrogram_loss([frames], frames, mask) + stop_loss(frames[..., 0], mask)
        loss.backward()
        assert float(loss.detach()) == 0 and loss.dtype == torch.float32 and not frames.grad.any()
    assert float(stop_loss(torch.zeros(3, 7, dtype=dtype), MASK)) == pytest.approx(math.log(2) * (9 + 15) / 12)
    assert stop_loss(torch.full((3, 7), torch.nan), MASK).isnan()


def test_what_does_not_fit_is_refused() -> None:
    frames = torch.zeros(3, 7, 5)
    with pytest.raises(ValueError, match="at least 1"):
        previous_frames(frames, 0)
    with pytest.raises(ValueError, match="no predicted frames"):
        spectrogram_loss([], frames, MASK)
    with pytest.raises(ValueError, match="same tokens"):
        spectrogram_loss([frames[:2]], frames, MASK)
    with pytest.raises(ValueError, match="mask has shape"):
        stop_loss(frames[..., 0], MASK[:, :3])
