"""One objective a step, in a fixed cycle, so that batches stay of one kind (EA-VTR's alternating training)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.contracts.tower import Tower
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import ObjectiveSettings


class Alternation:
    """(spec) Step s trains on entry s mod n of the cycle: a function of the step, so resuming needs no state.

    Args:
        cycle: For each step of the cycle, the names of the objectives that it trains.

    Raises:
        ValueError: The cycle is empty, or one of its steps trains nothing.
    """

    def __init__(self, cycle: Sequence[Sequence[str]]) -> None:
        if not cycle or any(not names or isinstance(names, str) for names in cycle):
            raise ValueError(
                f"the cycle {list(cycle)} has a step that names no objective; give a list of names a step."
            )
        self.cycle = tuple(tuple(names) for names in cycle)

    def active(self, step: int) -> tuple[str, ...]:
        """The objectives of a step; steps count from 0."""
        return self.cycle[step % len(self.cycle)]


class AlternatingObjective(Objective):
    """The objectives of one step of a cycle, as one term of a recipe.

    It counts its own steps, and the count is checkpointed with it: a run resumes in mid-cycle. What an objective holds
    alone (its head) gets no gradient in the steps of others.

    Args:
        entries: Settings of the objectives by name; weights and ramps count as they do at the top of a recipe.
        cycle: As for `Alternation`, by those names.
        towers: The model's towers.

    Raises:
        ValueError: The cycle names an objective that is not there, or leaves one out.
    """

    step: Tensor

    def __init__(
        self, entries: Mapping[str, ObjectiveSettings], cycle: Sequence[Sequence[str]], towers: Mapping[str, Tower]
    ) -> None:
        super().__init__()
        self.alternation = Alternation(cycle)
        named = {name for names in self.alternation.cycle for name in names}
        if named != set(entries):
            raise ValueError(
                f"the cycle names {sorted(named)}, the objectives are {sorted(entries)}; name each of them."
            )
        idle = [names for names in self.alternation.cycle if not any(entries[name].weight for name in names)]
        if idle:
            raise ValueError(f"a turn of the cycle, {list(idle[0])}, has objectives of weight 0 alone; leave it out.")
        self.mixture = Mixture(entries, towers)
        self.couples_batch = bool(self.mixture.select(couples_batch=True))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score one batch by the step's objectives; the terms of the others are not in the log of that step."""
        step = int(self.step)
        outcome = self.mixture(forwards, batch, step, list(self.alternation.active(step)))
        assert isinstance(outcome, Outcome)
        return outcome

    def after_step(self) -> None:
        """Count the step, and let every objective bring its parameters back into range."""
        self.step += 1
        self.mixture.after_step()
