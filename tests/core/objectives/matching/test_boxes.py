from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.matching.boxes import box_loss, box_mask, corners, generalised_iou, iou, overlap_quality


def _box(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def test_overlaps_in_closed_form() -> None:
    a, b = _box(0, 0, 2, 2), _box(1, 1, 3, 3)
    assert float(iou(a, b)) == pytest.approx(1 / 7)
    assert float(generalised_iou(a, b)) == pytest.approx(1 / 7 - 2 / 9)
    far = _box(4, 0, 6, 2)
    assert float(iou(a, far)) == 0
    assert float(generalised_iou(a, far)) == pytest.approx(-4 / 12)
    assert float(generalised_iou(a, a)) == 1
    assert float(generalised_iou(_box(0, 3), _box(1, 2))) == pytest.approx(1 / 3)


@given(numbers=st.lists(st.floats(0.01, 1), min_size=8, max_size=8), factor=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_symmetric_bounded_and_blind_to_scale_and_place(numbers: list[float], factor: float, shift: float) -> None:
    a, b = corners(_box(*numbers[:4])), corners(_box(*numbers[4:]))
    found = generalised_iou(a, b)
    assert -1 <= float(found) <= float(iou(a, b)) + 1e-12 <= 1 + 1e-9
    assert torch.allclose(found, generalised_iou(b, a))
    assert torch.allclose(found, generalised_iou(a * factor + shift, b * factor + shift), atol=1e-6)


def test_flat_volumes_agree_with_areas() -> None:
    a, b = corners(torch.rand(20, 4, dtype=torch.float64)), corners(torch.rand(20, 4, dtype=torch.float64))

    def thick(boxes: torch.Tensor) -> torch.Tensor:
        low, high = boxes[:, :2], boxes[:, 2:]
        return torch.cat([low, torch.zeros(20, 1), high, torch.ones(20, 1)], dim=1)

    assert torch.allclose(generalised_iou(thick(a), thick(b)), generalised_iou(a, b))


def test_boxes_without_volume_have_a_value_and_a_gradient() -> None:
    point = _box(1, 1, 1, 1).requires_grad_()
    assert float(iou(point, point.detach()).detach()) == 0
    assert float(generalised_iou(point, _box(0, 0, 2, 2)).detach()) == pytest.approx(0)
    generalised_iou(point, point.detach()).backward()
    assert point.grad is not None and bool(torch.isfinite(point.grad).all())


def test_boxes_that_do_not_meet_are_pulled_together() -> None:
    predicted = _box(0.1, 0.1, 0.1, 0.1)[None].requires_grad_()
    box_loss(predicted, _box(0.8, 0.6, 0.1, 0.1)[None], l1_weight=0.0).loss.backward()
    assert predicted.grad is not None
    assert float(predicted.grad[0, 0]) < 0 and float(predicted.grad[0, 1]) < 0


def test_the_loss_is_its_weighted_parts() -> None:
    predicted, target = _box(0.5, 0.5, 0.4, 0.4)[None], _box(0.6, 0.5, 0.4, 0.2)[None]
    found = box_loss(predicted, target, l1_weight=2.5, giou_weight=1.0)
    # Intersection 0.3 x 0.2, union 0.16 + 0.08 - 0.06, hull 0.5 x 0.4.
    giou = 0.06 / 0.18 - (0.2 - 0.18) / 0.2
    assert float(found.l1) == pytest.approx(0.3)
    assert float(found.giou) == pytest.approx(1 - giou)
    assert float(found.loss) == pytest.approx(2.5 * 0.3 + 1 - giou)
    assert float(box_loss(target, target).loss) == pytest.approx(0)
    twice = box_loss(predicted.expand(2, 4), target.expand(2, 4), l1_weight=2.5, giou_weight=1.0)
    assert torch.allclose(twice.loss, found.loss)


def test_gradients_are_those_of_finite_differences() -> None:
    predicted = (torch.rand(5, 6, dtype=torch.float64) * 0.4 + 0.3).requires_grad_()
    target = torch.rand(5, 6, dtype=torch.float64) * 0.4 + 0.3
    assert torch.autograd.gradcheck(lambda boxes: box_loss(boxes, target).loss, (predicted,))


def test_half_precision_is_scored_in_single_and_no_box_costs_nothing() -> None:
    assert box_loss(torch.rand(2, 4).bfloat16(), torch.rand(2, 4)).loss.dtype == torch.float32
    nothing = torch.zeros(0, 4, requires_grad=True)
    box_loss(nothing, torch.zeros(0, 4)).loss.backward()
    assert nothing.grad is not None


def test_quality_is_the_worse_of_both_boxes() -> None:
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    subject, other = torch.tensor([0.5, 1.0, -1.0]), torch.tensor([0.8, -0.5, 0.9])
    found = overlap_quality(labels, subject, other, torch.tensor([True, False, True]))
    assert found.tolist() == [[0.75, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert overlap_quality(labels, subject, other)[1].tolist() == [0.25, 0.25]


def test_refuses_what_is_no_pair_of_boxes() -> None:
    with pytest.raises(ValueError, match="high coordinate below"):
        iou(_box(1, 1, 0, 0), _box(0, 0, 1, 1))
    with pytest.raises(ValueError, match="two numbers a dimension"):
        corners(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        iou(torch.zeros(2, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="one overlap of each kind"):
        overlap_quality(torch.zeros(3, 2), torch.zeros(2), torch.zeros(3))


def test_patches_inside_a_box_are_those_whose_centre_is() -> None:
    boxes = torch.tensor([[0.5, 0.25, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 1.0, 1.0]])
    mask = box_mask(boxes, (4, 2))
    assert mask[0].view(4, 2).tolist() == [[False, False], [True, False], [True, False], [False, False]]
    assert not mask[1].any() and mask[2].all()
    # Boxes that share a side share no patch.
    halves = box_mask(torch.tensor([[0.25, 0.5], [0.75, 0.5]]), (5,))
    assert halves.sum(0).tolist() == [1] * 5
    assert box_mask(torch.tensor([[0.5, 0.5, 0.5, 1.0, 1.0, 1.0]]), (2, 3, 4)).shape == (1, 24)
    with pytest.raises(ValueError, match="do not lie on a grid"):
        box_mask(boxes, (4,))
