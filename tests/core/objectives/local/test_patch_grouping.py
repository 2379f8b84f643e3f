"""The grouping block and its zero-shot head; acceptance checks 4 and 5 of the sheet mixreorg."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from crossmod.objectives.local.named_segments import BACKGROUND, zero_shot_segmentation
from crossmod.objectives.local.patch_grouping import (
    GroupingBlock,
    assign_groups,
    grouped_patch_logits,
    mean_of_group,
)
from crossmod.objectives.local.patch_mixing import mixture_segmentation_loss, patch_sources


@pytest.mark.parametrize("noisy", [True, False])
def test_a_token_has_one_group_and_every_groups_score_a_gradient(noisy: bool) -> None:
    scores = torch.randn(2, 4, 9, dtype=torch.float64, requires_grad=True)
    assignment = assign_groups(scores, noisy=noisy, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(assignment.sum(1), torch.ones(2, 9, dtype=torch.float64))
    assert torch.allclose(assignment.amax(1), torch.ones(2, 9, dtype=torch.float64))
    weight = torch.randn(2, 4, 9, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((assignment * weight).sum(), scores)
    assert (gradient[assignment < 0.5] != 0).all(), "groups that were not picked learn too"
    if not noisy:
        assert torch.equal(assignment.argmax(1), scores.argmax(1))
        (soft,) = torch.autograd.grad((scores.softmax(1) * weight).sum(), scores)
        assert torch.allclose(gradient, soft)


def test_a_groups_mean_is_shrunk_by_one_more_token() -> None:
    values = torch.tensor([[[3.0], [5.0], [7.0]]])
    assignment = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    assert mean_of_group(assignment, values)[0, :, 0].tolist() == pytest.approx([8 / 3, 7 / 2, 0])


def _by_hand(block: GroupingBlock, tokens: Tensor, groups: Tensor) -> Tensor:
    """One sample, written out, with the hard assignment."""
    seen = block.norm_tokens(tokens)
    g = block.norm_mixed(block.mix(block.norm_groups(groups).T).T)
    g = g + block.read(g[None], seen[None], seen[None])[0][0]
    g = g + block.told(g)
    scores = block.query(g) @ block.key(seen).T / math.sqrt(seen.shape[1])
    out = []
    for number, group in enumerate(g):
        own = [block.value(seen[t]) for t in range(len(seen)) if int(scores[:, t].argmax()) == number]
        held = block.out(sum(own, torch.zeros_like(group)) / (len(own) + 1)) + group
        out.append(held + block.mlp(held))
    return torch.stack(out)


def test_the_block_is_that_of_a_loop_and_padding_has_no_part_in_it() -> None:
    torch.manual_seed(0)
    block = GroupingBlock(12, 6, 3, heads=2).eval()
    tokens, groups = torch.randn(2, 7, 12), torch.randn(2, 6, 12)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    found = block(torch.where(mask[..., None], tokens, 1e3), groups, mask)
    for row, real in enumerate(mask):
        assert torch.allclose(found.tokens[row], _by_hand(block, tokens[row, real], groups[row]), atol=1e-5)
    for each in (found.assignment, found.shares):
        assert torch.allclose(each.sum(1), mask.float(), atol=1e-6)


def test_training_draws_and_teaches_all_weights() -> None:
    torch.manual_seed(0)
    block = GroupingBlock(12, 6, 3, heads=2)
    tokens, groups = torch.randn(4, 30, 12), torch.randn(4, 6, 12, requires_grad=True)
    first, second = block(tokens, groups), block(tokens, groups)
    assert not torch.equal(first.assignment, second.assignment) and torch.equal(first.shares, second.shares)
    first.tokens.pow(3).sum().backward()
    assert groups.grad.any()
    # A bias that all keys share moves no softmax.
    assert {name for name, p in block.named_parameters() if not p.grad.abs().max() > 1e-9} <= {"key.bias"}
    assert GroupingBlock(12, 6, 3, heads=2)(tokens[:0], groups[:0]).tokens.shape == (0, 3, 12)
    nothing = block(tokens[:1], groups[:1], torch.zeros(1, 30, dtype=torch.bool))
    assert torch.isfinite(nothing.tokens).all() and not nothing.assignment.any()
    with pytest.raises(ValueError, match="cannot become"):
        GroupingBlock(12, 6, 0)


def test_groups_that_are_their_texts_segment_a_mixture() -> None:
    source = patch_sources(2, 3, 8, torch.Generator().manual_seed(0))
    texts = torch.eye(3, 5).expand(2, 3, 5)
    shares = torch.nn.functional.one_hot(source, 3).float().permute(0, 1, 3, 2).flatten(0, 1)
    logits = grouped_patch_logits(shares, torch.eye(3, 5).expand(6, 3, 5), texts.repeat_interleave(3, 0), 200.0)
    assert float(mixture_segmentation_loss(logits.view(2, 3, 8, 3), source)) == 0


def _scene() -> tuple[Tensor, Tensor, Tensor]:
    """A square of class 2 in front of class 0, as 4 x 4 patches; their group and class vectors."""
    truth = torch.zeros(4, 4, dtype=torch.int64)
    truth[1:3, 1:3] = 2
    classes = torch.eye(4, 6)
    shares = torch.stack([truth == 2, truth == 0]).float() * 0.9 + 0.05
    return truth, classes, shares


def test_two_regions_of_two_texts_are_found_exactly() -> None:
    truth, classes, shares = _scene()
    groups = classes[[2, 0]]
    found = zero_shot_segmentation(
        shares, groups, classes, classes[[0, 2]].mean(0), (4, 4), scale=50.0, threshold=0.95, kept_classes=2
    )
    for name in (0, 2):
        own, true = found == name, truth == name
        assert float((own & true).sum() / (own | true).sum()) == 1
    large = zero_shot_segmentation(shares, groups, classes, classes[0], (16, 16), scale=50.0, threshold=0.95)
    assert torch.equal(large[2::4, 2::4], truth)


def test_what_no_text_is_sure_of_is_background_and_unlike_classes_are_dropped() -> None:
    truth, classes, shares = _scene()
    between = torch.nn.functional.normalize(classes[[0, 1]].sum(0), dim=0)
    groups = torch.stack([between, classes[0]])
    found = zero_shot_segmentation(shares, groups, classes, classes[0], (4, 4), scale=50.0, threshold=0.95)
    assert (found[truth == 2] == BACKGROUND).all() and (found[truth == 0] == 0).all()
    # Nothing is surer than the surest: with an unreachable threshold only that stays.
    surest = zero_shot_segmentation(shares, groups, classes, classes[0], (4, 4), scale=50.0, threshold=2.0)
    assert torch.equal(surest != BACKGROUND, truth == 0)
    kept = zero_shot_segmentation(
        shares, classes[[2, 0]], classes, classes[0], (4, 4), scale=1.0, threshold=0.0, kept_classes=1
    )
    assert (kept == 0).all()
    for left, named in ((groups, classes[:0]), (groups[:1], classes)):
        with pytest.raises(ValueError, match="name no segment"):
            zero_shot_segmentation(shares, left, named, classes[0], (4, 4), scale=1.0, threshold=0.5)
