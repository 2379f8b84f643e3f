from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from crossmod_speech.encoders.blocks import ConformerBlock, ConvolutionBranch, RelativeBlock
from crossmod_speech.encoders.relative_attention import rotation


def test_a_conformer_block_is_its_four_branches_and_a_norm() -> None:
    # Equations 3 to 6 of arXiv:2005.08100, written out.
    block = ConformerBlock(8, 2, kernel=3).eval()
    tokens, mask, angles = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool), rotation(torch.arange(5), 4)
    norms = [residual.norm for residual in block.residuals]
    x = tokens + 0.5 * block.before(norms[0](tokens))
    x = x + block.attention(norms[1](x), mask, angles)
    x = x + block.convolution(norms[2](x), mask)
    expected = block.norm(x + 0.5 * block.after(norms[3](x)))
    assert_close(block(tokens, mask, angles), expected)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_padding_does_not_reach_the_convolution(norm: str) -> None:
    branch = ConvolutionBranch(6, 5, norm)
    tokens, mask = torch.randn(3, 9, 6), torch.arange(9) < torch.tensor([9, 3, 1])[:, None]
    longer = nn.functional.pad(
        torch.where(mask[..., None], tokens, torch.full_like(tokens, 7.0)), (0, 0, 0, 4), value=9
    )
    expected = branch(tokens, mask)
    assert_close(branch(longer, nn.functional.pad(mask, (0, 4)))[:, :9][mask], expected[mask])


def test_batch_norm_takes_its_statistics_from_real_tokens() -> None:
    branch = ConvolutionBranch(6, 1, "batch")
    assert isinstance(branch.norm, nn.BatchNorm1d)
    tokens, mask = torch.randn(2, 8, 6), torch.arange(8) < torch.tensor([8, 3])[:, None]
    branch(tokens, mask)
    gated = nn.functional.glu(branch.gated(tokens[mask]))
    seen = gated * branch.depthwise.weight[:, 0, 0] + branch.depthwise.bias
    assert_close(branch.norm.running_mean, 0.1 * seen.mean(0))


def test_the_convolution_mixes_as_many_tokens_as_its_kernel() -> None:
    branch = ConvolutionBranch(4, 5)
    tokens = torch.randn(1, 11, 4, requires_grad=True)
    branch(tokens, torch.ones(1, 11, dtype=torch.bool))[0, 5].sum().backward()
    assert tokens.grad[0].abs().sum(1).nonzero().squeeze(1).tolist() == [3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match="odd"):
        ConvolutionBranch(4, 4)


@pytest.mark.parametrize("make", [RelativeBlock, ConformerBlock])
def test_gradients_agree_with_finite_differences(make: type[nn.Module]) -> None:
    block = make(4, 2).double()
    mask = torch.tensor([[True, True, True], [True, False, False]])
    angles = rotation(torch.arange(3), 2)
    tokens = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: block(x, mask, angles)[mask], (tokens,))
