"""Self-distillation as a term of a recipe: a slow teacher sees large views, the student all (DINO; RS-M-CLIP)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tokens, TokenTower, Tower
from crossmod.objectives.local.distillation_head import DistillationHead
from crossmod.objectives.local.self_distillation import (
    DistillationCentre,
    self_distillation_loss,
    teacher_momentum_at,
    teacher_temperature_at,
)
from crossmod.objectives.local.views import draw_view, encode_view, token_coordinates
from crossmod.objectives.local.visible_tower import VisibleTower
from crossmod.state.momentum_twin import MomentumTwin


class ViewPlan(NamedTuple):
    """How many views there are and the range of each kind's share of a sample. (DINO draws 8 local ones.)"""

    global_views: int = 2
    local_views: int = 4
    global_share: tuple[float, float] = (0.4, 1.0)
    local_share: tuple[float, float] = (0.05, 0.4)


class TeacherPlan(NamedTuple):
    """The temperatures and the teacher's schedules, in steps."""

    student_temperature: float = 0.1
    temperature: float = 0.04
    last_temperature: float = 0.07
    temperature_steps: int = 0
    momentum: float = 0.996
    momentum_steps: int = 0
    frozen_steps: int = 0


class SelfDistillationObjective(Objective):
    """Views of one sample agree: cross-entropy of the student's views with the teacher's large ones.

    Teacher and centre move after the step of the optimiser, once whatever the number of chunks; the centre takes the
    teacher's outputs of all processes. The centre of a step is that of the steps before, as in DINO.

    Args:
        modality: The modality whose tower learns.
        tower: That tower, which the teacher starts from: one of patches, or one of tokens.
        head: Scores of the prototypes.
        views: Number and size of the views.
        teacher: Temperatures and schedules.
        centre_momentum: Weight of the past in the centre. (0.9.)
    """

    couples_batch = False
    steps: Tensor
    started: Tensor

    def __init__(
        self,
        modality: str,
        tower: Tower,
        head: DistillationHead,
        views: ViewPlan,
        teacher: TeacherPlan,
        *,
        centre_momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.modality, self.head, self.views, self.plan = modality, head, views, teacher
        self.slow_tower, self.slow_head = MomentumTwin(tower, teacher.momentum), MomentumTwin(head, teacher.momentum)
        self.centre = DistillationCentre(len(head.prototypes), centre_momentum)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        # In a tuple, so that the followed tower does not become a part of this objective.
        self._followed: tuple[Tower, ...] = ()

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Draw views, encode them by both, compare; what is seen in training moves the centre after the step."""
        tower = forwards.tower(self.modality)
        self._begin(tower)
        slow = self.slow_tower.module
        assert isinstance(tower, TokenTower | VisibleTower) and isinstance(slow, TokenTower | VisibleTower)
        inputs = batch.inputs[self.modality]
        tokens = tower.tokenise(inputs)
        seen = self._draw(tokens, token_coordinates(tower, tokens))
        step = int(self.steps)
        frozen = step < self.plan.frozen_steps
        student = torch.stack([self.head(encode_view(tower, tokens, view), frozen=frozen) for view in seen])
        with torch.no_grad():
            same = slow.tokenise(inputs)
            large = seen[: self.views.global_views]
            teacher = torch.stack([self.slow_head(encode_view(slow, same, view)) for view in large])
        loss = self_distillation_loss(
            student, teacher, self.centre.centre, self.plan.student_temperature, self._temperature(step)
        )
        if self.training:
            self.centre.see(teacher)
        loss = loss * (len(tokens.mask) / max(1, len(batch)))
        return Outcome(loss, {"loss": loss.detach(), "entropy": self._entropy(teacher)})

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the centre, then teacher tower and head, by one step; called on every process."""
        self.centre.move()
        momentum = teacher_momentum_at(int(self.steps), self.plan.momentum_steps, self.plan.momentum)
        for tower in self._followed:
            self.slow_tower.update_(tower, momentum)
            self.slow_head.update_(self.head, momentum)
        self._followed = ()
        self.steps += 1

    def _begin(self, tower: Tower) -> None:
        """The first time the teacher becomes a copy, as weights may have been loaded since it was made."""
        if not bool(self.started):
            self.slow_tower.update_(tower, 0.0)
            self.slow_head.update_(self.head, 0.0)
            self.started.fill_(True)
        self._followed = (tower,)

    def _draw(self, tokens: Tokens, coordinates: Tensor) -> list[Tensor]:
        plan = self.views
        shares = [plan.global_share] * plan.global_views + [plan.local_share] * plan.local_views
        return [draw_view(tokens.mask, coordinates, *share) for share in shares]

    def _temperature(self, step: int) -> float:
        plan = self.plan
        return teacher_temperature_at(step, plan.temperature_steps, plan.temperature, plan.last_temperature)

    def _entropy(self, teacher: Tensor) -> Tensor:
        """Of the teacher's choice, mean over rows: ln K says it tells nothing apart, 0 that it may have collapsed."""
        chosen = ((teacher - self.centre.centre) / self._temperature(int(self.steps))).softmax(-1)
        entropy: Tensor = torch.special.entr(chosen).sum(-1)
        return entropy.sum() / max(1, entropy.numel())
