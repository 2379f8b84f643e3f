from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from crossmod_speech.encoders.subsampling import ConvolutionalSubsampling, subsampled_length
from crossmod_speech.frontends.features import SpeechFeatures


def features(lengths: list[int], bins: int = 5) -> SpeechFeatures:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return SpeechFeatures(torch.randn(len(lengths), max(lengths), bins).masked_fill(~mask[..., None], 0.0), mask)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 9, 31, 32, 33])
def test_the_length_rule_is_what_comes_out(stride: int, frames: int) -> None:
    tokens, mask = ConvolutionalSubsampling(5, 6, stride)(features([frames]))
    assert tokens.shape == (1, math.ceil(frames / stride), 6) and bool(mask.all())
    assert int(subsampled_length(torch.tensor(frames), stride)) == tokens.shape[1]


def test_masks_shrink_by_the_same_rule() -> None:
    lengths = [33, 1, 4, 18, 0]
    _, mask = ConvolutionalSubsampling(5, 6, 4)(features(lengths))
    assert mask.sum(1).tolist() == [9, 1, 1, 5, 0]
    assert bool((mask.int().diff(dim=1) <= 0).all()), "real tokens stand in front"


@pytest.mark.parametrize("stride", [1, 4])
def test_an_utterance_alone_gives_the_tokens_it_gives_in_a_batch(stride: int) -> None:
    layer = ConvolutionalSubsampling(5, 6, stride)
    batch = features([33, 1, 4, 18])
    together, mask = layer(batch)
    for row, length in enumerate([33, 1, 4, 18]):
        alone, _ = layer(SpeechFeatures(batch.values[row : row + 1, :length], batch.mask[row : row + 1, :length]))
        assert_close(alone[0], together[row][mask[row]], atol=1e-6, rtol=1e-5)
