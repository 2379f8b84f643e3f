"""Which parameters train at which step of a run: frozen parts and staged adapters, as a function of the step alone.

Nothing of it is in a checkpoint: a resumed run puts the state of its next step in place, as the whole run does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import RunSettings
from crossmod.state.adapter_stages import StagedAdapterSchedule
from crossmod.state.freeze_policy import FreezePolicy
from crossmod.state.logit_scale import LogitScale
from crossmod.state.settings import FreezePart


class Trainability:
    """Freezes parts and opens adapters at their steps; names are `towers...`, `heads...` and `objectives...`.

    Args:
        model: Towers and heads, with adapters in place.
        mixture: The objectives.
        run: What is frozen.
        schedule: When adapters open; None where there are none.

    Attributes:
        changes: The steps after the first from which on other parameters train, within the run.
        parameters: Those that train at some step, in the order of the model and then of the objectives: what the
            optimiser has to know.

    Raises:
        UserError: A pattern names nothing, or at some step nothing trains but logit scales.
    """

    def __init__(
        self, model: CrossModal, mixture: Mixture, run: RunSettings, schedule: StagedAdapterSchedule | None = None
    ) -> None:
        self._model, self._schedule = model, schedule
        self._root = nn.ModuleDict({"towers": model.towers, "heads": model.heads, "objectives": mixture.objectives})
        self._policy = _policy(run.freeze, model.modalities)
        steps = self._policy.changes() if self._policy is not None else set()
        steps |= {stage.from_step for stage in schedule.stages} if schedule is not None else set()
        self.changes = {step for step in steps if 0 < step < run.steps}
        ever: set[int] = set()
        for step in sorted({0, *self.changes}, reverse=True):  # the first step last: its state is the one that stays
            self.apply(step)
            ever.update(id(p) for p in self._root.parameters() if p.requires_grad)
        self.parameters = tuple(p for p in self._root.parameters() if id(p) in ever)

    def apply(self, step: int) -> None:
        """Put the state of a step in place; gradients of what does not train are dropped.

        Raises:
            UserError: A pattern names nothing, or nothing trains at this step but logit scales.
        """
        if self._policy is not None:
            # What a freed part goes back to.
            self._root.training = self._model.training
            with _naming("run.freeze"):
                self._policy.apply(self._root, step)
        if self._schedule is not None:
            with _naming("run.adapters"):
                self._schedule.apply(self._model, step)
            self._require_something(step)

    def counts(self) -> tuple[int, int]:
        """Numbers in the parameters that train now, and in all parameters of model and objectives."""
        every = [(p.numel(), p.requires_grad) for p in self._root.parameters()]
        return sum(numel for numel, trains in every if trains), sum(numel for numel, _ in every)

    def _require_something(self, step: int) -> None:
        scales = {p for part in self._root.modules() if isinstance(part, LogitScale) for p in part.parameters()}
        if all(p in scales for p in self._root.parameters() if p.requires_grad):
            raise UserError(
                f"run.adapters: at step {step} nothing trains except the logit scale; let the first stage begin at "
                "step 0, or leave a head open."
            )


def _policy(parts: Sequence[str | FreezePart], modalities: Sequence[str]) -> FreezePolicy | None:
    if not parts:
        return None
    rules = [FreezePart(part=part) if isinstance(part, str) else part for part in parts]
    with _naming("run.freeze"):
        return FreezePolicy([rule.build(modalities) for rule in rules])


@contextmanager
def _naming(option: str) -> Iterator[None]:
    """Refusals inside say which option to change."""
    try:
        yield
    except (ValueError, re.error) as error:
        raise UserError(f"{option}: {error}") from error
