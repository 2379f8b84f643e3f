from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.objectives.local.self_distillation import (
    DistillationCentre,
    self_distillation_loss,
    teacher_temperature_at,
)


@given(views=st.integers(2, 5), many=st.integers(1, 2), batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_loss_is_that_of_a_loop_over_pairs(views: int, many: int, batch: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(views, batch, 6, generator=generator, dtype=torch.float64)
    teacher = torch.randn(many, batch, 6, generator=generator, dtype=torch.float64)
    centre = torch.randn(6, generator=generator, dtype=torch.float64)
    terms = []
    for g in range(many):
        target = ((teacher[g] - centre) / 0.04).softmax(1)
        terms += [-(target * (student[v] / 0.1).log_softmax(1)).sum(1).mean() for v in range(views) if v != g]
    assert len(terms) == many * views - many, "of two global and n local views 2 (n + 2) - 2"
    loss = self_distillation_loss(student, teacher, centre)
    assert float(loss) == pytest.approx(float(sum(terms)) / len(terms), rel=1e-9)


def test_the_gradient_is_the_students_alone() -> None:
    student = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True)
    centre = torch.zeros(4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: self_distillation_loss(x, teacher.detach(), centre), student)
    self_distillation_loss(student, teacher, centre).backward()
    assert teacher.grad is None


def test_centring_undoes_a_collapse_to_one_output() -> None:
    teacher = torch.zeros(2, 8, 5)
    teacher[..., 3] = 9.0
    centre = DistillationCentre(5, momentum=0.0)
    centre.update(teacher)
    uniform = self_distillation_loss(torch.zeros(3, 8, 5), teacher, centre.centre)
    assert float(uniform) == pytest.approx(math.log(5), rel=1e-5)
    wrong = torch.zeros(3, 8, 5)
    wrong[..., 3] = 9.0
    assert float(self_distillation_loss(wrong, teacher, centre.centre)) > float(uniform) + 1
    assert float(self_distillation_loss(wrong, teacher, torch.zeros(5))) < 1e-6


def test_the_centre_is_a_moving_mean_and_checkpointed() -> None:
    centre = DistillationCentre(2, momentum=0.9)
    centre.update(torch.tensor([[[1.0, 3.0]], [[3.0, 5.0]]]))
    assert torch.allclose(centre.centre, torch.tensor([0.2, 0.4]))
    centre.update(torch.zeros(0, 2))
    assert torch.allclose(centre.centre, torch.tensor([0.2, 0.4]))
    assert list(centre.state_dict()) == ["centre"]
    with pytest.raises(ValueError, match="momentum"):
        DistillationCentre(2, momentum=1.0)


def test_bad_input() -> None:
    centre = torch.zeros(4)
    with pytest.raises(ValueError, match="no pair"):
        self_distillation_loss(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), centre)
    with pytest.raises(ValueError, match="do not fit"):
        self_distillation_loss(torch.zeros(2, 3, 4), torch.zeros(1, 2, 4), centre)
    with pytest.raises(ValueError, match="positive"):
        self_distillation_loss(torch.zeros(2, 2, 4), torch.zeros(1, 2, 4), centre, 0.1, 0.0)
    empty = torch.zeros(2, 0, 4, requires_grad=True)
    loss = self_distillation_loss(empty, torch.zeros(1, 0, 4), centre)
    loss.backward()
    assert float(loss.detach()) == 0
    low = self_distillation_loss(torch.zeros(2, 3, 4).half(), torch.zeros(1, 3, 4).half(), centre)
    assert low.dtype == torch.float32 and float(low) == pytest.approx(math.log(4))


def test_the_teachers_temperature_warms_up() -> None:
    assert [teacher_temperature_at(epoch) for epoch in (0, 15, 30, 90)] == pytest.approx([0.04, 0.055, 0.07, 0.07])
    assert teacher_temperature_at(0, warmup_epochs=0) == 0.07
