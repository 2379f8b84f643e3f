"""Frames of the convolutions: one rule for features, masks and targets (acceptance check 1 of SpeechT5)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.frontends.settings import KaldiFilterBank, RawWaveform
from crossmod_speech.speecht5.cepstra import Cepstra
from crossmod_speech.speecht5.convolutions import ChannelNorm, ConvolutionStack
from crossmod_speech.speecht5.filter_bank_stack import FilterBankStack
from crossmod_speech.speecht5.stack import KERNELS, STRIDES, StackShape

SHAPE = StackShape(KERNELS, STRIDES)

STACKS = {
    "waveform": (RawWaveform(), ConvolutionStack(4, SHAPE)),
    "filter bank": (KaldiFilterBank(bins=20), FilterBankStack(20, 4)),
}


def heard(samples: Tensor, lengths: Tensor, front_end: FrontEnd | None = None) -> SpeechFeatures:
    """What a stack of convolutions is given of waveforms."""
    return (front_end or RawWaveform()).build()(samples, lengths)


def test_published_stack_sees_25_ms_every_20_ms() -> None:
    assert (SHAPE.reach, SHAPE.stride) == (400, 320)
    assert [SHAPE.frames(n) for n in (0, 1, 399, 400, 719, 720, 16000, 250000)] == [0, 0, 0, 1, 1, 2, 49, 780 + 1]


@given(st.integers(0, 300_000))
def test_layer_after_layer_is_one_division(samples: int) -> None:
    expected = 0 if samples < 400 else (samples - 400) // 320 + 1
    assert SHAPE.frames(samples) == expected


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize(
    "lengths",
    [[400, 401, 719, 720, 5000], [16000, 8123, 400], [700, 5000, 400, 3000, 900, 4100, 401, 800, 2600, 1200, 400]],
)
def test_features_and_mask_follow_the_rule(lengths: list[int], kind: str) -> None:
    (front_end, stack), count = STACKS[kind], torch.tensor(lengths)
    samples = 0.1 * torch.randn(len(lengths), max(lengths))
    features, mask = stack(heard(samples, count, front_end))
    assert mask.sum(1).tolist() == [SHAPE.frames(n) for n in lengths]
    assert features.shape == (*mask.shape, 4) and not features[~mask].any()
    for row, length in enumerate(lengths):
        alone, _ = stack(heard(samples[row : row + 1, :length], count[row : row + 1], front_end))
        torch.testing.assert_close(alone[0], features[row, mask[row]], atol=1e-4, rtol=1e-4)


def test_targets_stand_at_the_encoders_frames() -> None:
    lengths = torch.tensor([400, 559, 560, 719, 720, 9999, 16000])
    samples = 0.1 * torch.randn(len(lengths), 16000)
    _, mask = ConvolutionStack(2, SHAPE)(heard(samples, lengths))
    assert torch.equal(Cepstra()(samples, lengths).mask, mask)


def test_a_frame_and_its_target_see_the_same_samples() -> None:
    # A click that only samples 320 j to 320 j + 400 hold changes frame j of both, and what differences reach.
    stack, cepstra = ConvolutionStack(4, SHAPE), Cepstra(centred=False)
    lengths = torch.tensor([8000])
    quiet = 0.01 * torch.randn(1, 8000)
    click = quiet.clone()
    click[0, 320 * 12 + 190 : 320 * 12 + 210] += 0.5
    with torch.no_grad():
        # Without the norm over time, through which every frame sees every other.
        stack.norm.forward = lambda values, mask: values
        moved = (stack(heard(click, lengths))[0] - stack(heard(quiet, lengths))[0])[0].abs().sum(1)
    plain = (cepstra(click, lengths).values - cepstra(quiet, lengths).values)[0, :, :13].abs().sum(1)
    assert moved.nonzero()[:, 0].tolist() == plain.nonzero()[:, 0].tolist() == [12]


def test_channel_norm_is_group_norm_without_padding() -> None:
    values = torch.randn(3, 5, 40, dtype=torch.float64)
    norm, published = ChannelNorm(5).double(), torch.nn.GroupNorm(5, 5).double()
    with torch.no_grad():
        published.weight.copy_(norm.weight.normal_())
        published.bias.copy_(norm.bias.normal_())
    everywhere = torch.ones(3, 40, dtype=torch.bool)
    torch.testing.assert_close(norm(values, everywhere), published(values))
    half = torch.arange(40) < torch.tensor([[40], [20], [1]])
    garbage = values.masked_fill(~half[:, None], 1e3)
    torch.testing.assert_close(norm(garbage, half)[1, :, :20], published(values[1:2, :, :20])[0])


def test_gradient_into_the_stack_is_scaled() -> None:
    samples, lengths = torch.randn(1, 2000), torch.tensor([2000])
    norms = []
    for scale in (1.0, 0.1):
        torch.manual_seed(0)
        stack = ConvolutionStack(4, SHAPE, gradient=scale)
        stack(heard(samples, lengths))[0].square().sum().backward()
        norms.append(torch.stack([layer.weight.grad.norm() for layer in stack.layers]))
    torch.testing.assert_close(norms[1], 0.1 * norms[0])
