from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from crossmod.objectives.local.prompted_labels import (
    confident,
    draw_crop,
    entity_prototypes,
    pool_inside,
    prompted_label_loss,
    prompted_labels,
)


def test_prototypes_are_means_of_unit_templates() -> None:
    one = torch.randn(3, 1, 8)
    assert torch.allclose(entity_prototypes(one.expand(3, 12, 8)), normalize(one[:, 0], dim=1), atol=1e-6)
    spread = entity_prototypes(torch.randn(3, 12, 8))
    assert (spread.norm(dim=1) < 0.99).all()
    unit = entity_prototypes(torch.randn(3, 12, 8), renormalise=True)
    assert torch.allclose(unit.norm(dim=1), torch.ones(3), atol=1e-6)


def test_labels_are_probabilities_without_gradient() -> None:
    crops = normalize(torch.randn(4, 8), dim=1).requires_grad_()
    labels = prompted_labels(crops, torch.randn(5, 8), 0.07)
    assert torch.allclose(labels.sum(1), torch.ones(4), atol=1e-6) and not labels.requires_grad
    with pytest.raises(ValueError, match="temperature"):
        prompted_labels(crops, torch.randn(5, 8), 0.0)


def test_the_filter_reads_the_probability_and_not_its_index() -> None:
    labels = torch.full((2, 10), 0.81 / 9)
    labels[0], labels[1] = 0.81 / 9, 0.79 / 9
    labels[0, 0], labels[1, 3] = 0.19, 0.21
    assert confident(labels).tolist() == [False, True]
    labels[1], labels[1, 0] = 0.1, 0.9
    assert confident(labels).tolist() == [False, True]
    assert confident(labels, release_compat=True).tolist() == [False, False]


def test_the_loss_is_the_divergence_plus_the_labels_entropy() -> None:
    logits = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.randn(4, 6, dtype=torch.float64).softmax(1)
    kept = torch.tensor([True, False, True, True])
    loss = prompted_label_loss(logits, labels, kept)
    q, p = labels[kept], logits[kept].softmax(1)
    expected = (q * (q / p).log()).sum(1).mean() - (q * q.log()).sum(1).mean()
    assert torch.allclose(loss, expected)
    assert float(prompted_label_loss(labels.log(), labels, kept)) <= float(loss.detach())
    assert torch.autograd.gradcheck(lambda x: prompted_label_loss(x, labels, kept), logits)


def test_no_kept_sample_is_a_zero_with_zero_gradient() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    loss = prompted_label_loss(logits, logits.detach().softmax(1), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0 and not logits.grad.any()
    with pytest.raises(ValueError, match="one row a crop"):
        prompted_label_loss(logits, torch.zeros(2, 4), torch.ones(3, dtype=torch.bool))


@pytest.mark.parametrize("counts", [(14, 14), (20,), (8, 8, 8)])
def test_crops_are_boxes_of_the_stated_area(counts: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(1000):
        inside = draw_crop(counts, generator=generator).view(counts)
        sides = []
        for axis in range(len(counts)):
            others = tuple(i for i in range(len(counts)) if i != axis)
            along = (inside.any(others[0]) if len(others) == 1 else inside.amax(others)) if others else inside
            places = along.nonzero()[:, 0]
            assert len(places) == int(places[-1] - places[0]) + 1
            sides.append(len(places))
        assert int(inside.sum()) == torch.tensor(sides).prod()
        least = torch.tensor([s + 0.51 for s in sides]).prod() / torch.tensor(counts).prod()
        most = torch.tensor([s - 0.51 for s in sides]).prod() / torch.tensor(counts).prod()
        assert least >= 0.3 and most <= 0.5
    with pytest.raises(ValueError, match="crop"):
        draw_crop(counts, 0.0)


def test_areas_lie_in_the_stated_range_up_to_one_patch_a_side_and_fill_it() -> None:
    """ALPRO's pictures: 14 x 14 patches, 30 to 50 % of the area, 10,000 draws."""
    generator, areas = torch.Generator().manual_seed(0), []
    for _ in range(10_000):
        inside = draw_crop((14, 14), generator=generator).view(14, 14)
        rows, columns = int(inside.any(1).sum()), int(inside.any(0).sum())
        assert int(inside.sum()) == rows * columns
        assert (rows - 1) * (columns - 1) <= 0.5 * 196 and (rows + 1) * (columns + 1) >= 0.3 * 196
        assert 0.3 * (rows - 1) <= columns + 1 and 0.3 * (columns - 1) <= rows + 1
        areas.append(rows * columns / 196)
    assert abs(sum(areas) / len(areas) - 0.4) < 0.01 and min(areas) < 0.31 and max(areas) > 0.49


def test_pooling_reads_the_crop_only() -> None:
    tokens = torch.randn(2, 9, 4)
    inside = torch.stack([draw_crop((3, 3)), torch.zeros(9, dtype=torch.bool)])
    pooled = pool_inside(torch.where(inside[..., None], tokens, torch.nan), inside)
    assert torch.allclose(pooled[0], tokens[0][inside[0]].mean(0), atol=1e-6)
    assert not pooled[1].any()
