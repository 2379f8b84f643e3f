from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import one_hot

from crossmod.objectives.local.patch_mixing import (
    mix_patches,
    mixture_segmentation_loss,
    patch_sources,
    restore_patches,
)


@pytest.mark.parametrize("members", [1, 2, 4])
def test_restoring_undoes_mixing_and_every_patch_is_used_once(members: int) -> None:
    source = patch_sources(3, members, 10, torch.Generator().manual_seed(0))
    assert torch.equal(source.sort(1).values, torch.arange(members)[None, :, None].expand(3, members, 10))
    tokens = torch.randn(3, members, 10, 5)
    mixed = mix_patches(tokens, source)
    assert torch.equal(restore_patches(mixed, source), tokens)
    assert torch.equal(mixed[2, 0, 7], tokens[2, source[2, 0, 7], 7]), "a patch keeps its place"
    assert (members == 1) == torch.equal(mixed, tokens)


def test_the_loss_is_zero_for_the_true_sources_and_the_logarithm_for_none() -> None:
    source = patch_sources(2, 4, 9, torch.Generator().manual_seed(0))
    assert float(mixture_segmentation_loss(1e3 * one_hot(source, 4).float(), source)) == 0
    assert math.isclose(float(mixture_segmentation_loss(torch.zeros(2, 4, 9, 4), source)), math.log(4), rel_tol=1e-6)
    alone = patch_sources(2, 1, 9)
    assert float(mixture_segmentation_loss(torch.randn(2, 1, 9, 1), alone)) == 0


def test_its_gradient_is_that_of_finite_differences() -> None:
    source = patch_sources(2, 3, 4, torch.Generator().manual_seed(0))
    logits = torch.randn(2, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: mixture_segmentation_loss(x, source), logits)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="at least one"):
        patch_sources(2, 0, 4)
    source = patch_sources(2, 3, 4)
    with pytest.raises(ValueError, match="patch logits"):
        mixture_segmentation_loss(torch.zeros(2, 3, 4, 2), source)
    nothing = torch.zeros(0, 3, 4, 3, requires_grad=True)
    loss = mixture_segmentation_loss(nothing, source[:0])
    loss.backward()
    assert float(loss.detach()) == 0
