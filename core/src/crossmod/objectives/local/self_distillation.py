"""Self-distillation without labels: a student matches a slowly moving teacher across views (DINO, arXiv:2104.14294).

The teacher's outputs come in as tensors; how its weights follow the student's is the trainer's business.
"""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from crossmod.distributed.world import world_size
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened


def self_distillation_loss(
    student: Float[Tensor, "views batch outputs"],
    teacher: Float[Tensor, "global batch outputs"],
    centre: Float[Tensor, "outputs"],
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
) -> Float[Tensor, ""]:
    """Mean over samples and pairs (teacher view g, student view v != g) of -sum_k P_t(g)_k log P_s(v)_k.

    P_t = softmax((teacher - centre) / teacher_temperature), detached: the centre keeps one output from taking over,
    the low temperature keeps outputs from being uniform. P_s = softmax(student / student_temperature). The student
    sees all views, the global ones first; the teacher the global ones only, in the same order.

    Shape:
        student: [views, batch, outputs]; teacher: [global views, batch, outputs]; centre: [outputs].

    Returns:
        The loss, in float32 at least; zero with gradient for an empty batch.

    Raises:
        ValueError: A temperature is not positive, shapes do not fit, or no pair of different views is left.
    """
    views, many = len(student), len(teacher)
    if student.shape[1:] != teacher.shape[1:] or many > views:
        raise ValueError(
            f"student views {list(student.shape)} and teacher views {list(teacher.shape)} do not fit; give the same "
            "batch and outputs, and the teacher the first views of the student"
        )
    require_shape(student.shape[2:], centre=centre)
    if views * many - many < 1:
        raise ValueError(f"{views} student and {many} teacher views form no pair of different views; give two or more")
    if not (student_temperature > 0 and teacher_temperature > 0):
        raise ValueError(f"temperatures of {student_temperature} and {teacher_temperature} are not both positive")
    wide = widened(student)
    log_student = (wide / student_temperature).log_softmax(-1)
    target = ((teacher.detach().to(wide.dtype) - centre.to(wide.dtype)) / teacher_temperature).softmax(-1)
    # Every pair at once: the sum over student views is taken before the product, and the own view is taken off.
    others = log_student.sum(0, keepdim=True) - log_student[:many]
    pairs = views * many - many
    return -(target * others).sum() / (pairs * max(1, student.shape[1]))


class DistillationCentre(nn.Module):
    """The moving mean of the teacher's outputs: c <- m c + (1 - m) mean; checkpointed.

    `see` collects the parts of a step and `move` takes the step, so that chunks and processes have one centre.

    Args:
        outputs: Width of the teacher's outputs.
        momentum: m. (0.9 in DINO.)

    Raises:
        ValueError: `momentum` does not lie in [0, 1).
    """

    centre: Float[Tensor, "outputs"]
    _seen: Float[Tensor, "one_more"]

    def __init__(self, outputs: int, momentum: float = 0.9) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"the centre's momentum is {momentum}; it lies in [0, 1)")
        self.momentum = momentum
        self.register_buffer("centre", torch.zeros(outputs))
        # Sum and number of rows since the last move; in double precision, whatever the order of the parts.
        self.register_buffer("_seen", torch.zeros(outputs + 1, dtype=torch.float64), persistent=False)

    @torch.no_grad()
    def see(self, teacher: Float[Tensor, "*rows outputs"]) -> None:
        """Add a part of the step's batch; the centre stays where it is.

        Shape:
            teacher: [..., outputs].
        """
        rows = teacher.detach().flatten(0, -2).double()
        self._seen += torch.cat([rows.sum(0), rows.new_tensor([len(rows)])])

    @torch.no_grad()
    def move(self) -> None:
        """Move towards the mean of what all processes have seen since the last move; call on every process."""
        packed = self._seen.clone()
        self._seen.zero_()
        if world_size() > 1:
            dist.all_reduce(packed)
        if float(packed[-1]):
            self.centre.lerp_((packed[:-1] / packed[-1]).to(self.centre.dtype), 1 - self.momentum)

    def update(self, teacher: Float[Tensor, "*rows outputs"]) -> None:
        """`see` and `move` at once; call after the loss, on every process.

        Shape:
            teacher: [..., outputs].
        """
        self.see(teacher)
        self.move()


def teacher_temperature_at(epoch: float, warmup_epochs: float = 30, start: float = 0.04, end: float = 0.07) -> float:
    """Linear from `start` to `end` over the warm-up, then constant (DINO's ViT recipe)."""
    if warmup_epochs <= 0:
        return end
    return start + (end - start) * min(1.0, max(0.0, epoch / warmup_epochs))


def teacher_momentum_at(step: int, steps: int, start: float = 0.996, end: float = 1.0) -> float:
    """Weight of the past in the teacher: from `start` to `end` along half a cosine over `steps` (DINO); then `end`.

    No steps at all leave it at `start`.
    """
    if steps <= 0:
        return start
    done = min(1.0, step / steps)
    return end - (end - start) * (1 + math.cos(math.pi * done)) / 2
