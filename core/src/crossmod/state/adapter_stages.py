"""Which adapters train at which stage: shallow layers first, then deeper ones (HiVG, arXiv:2404.13400).

As with freezing, a stage is a function of the step alone: make the optimiser over every adapter first, then apply
the schedule before a step. What does not train has no gradient, and optimisers leave it alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from crossmod.state.low_rank import LowRankLinear


@dataclass(frozen=True, kw_only=True)
class AdapterStage:
    """One stage of a schedule.

    Args:
        from_step: First step of the stage.
        layers: Regular expression that the whole dotted name of an adapted layer matches to train in this stage.
    """

    from_step: int
    layers: str


class StagedAdapterSchedule:
    """Trains the adapters of more and more layers.

    "grow" has one pair a layer, and each stage opens more layers: what HiVG's released code comes to. "stack" has one
    pair a layer and stage: a stage trains its own pair and keeps those before frozen, the paper's idea (its exact
    formula is not verified). Either way a stage begins with the outputs that the one before ended with.

    Args:
        stages: In ascending order of `from_step`. Before the first, no adapter trains (a warm-up of other parts).
        mode: "grow" or "stack".

    Raises:
        ValueError: There is no stage, their steps do not ascend, or the mode is unknown.
    """

    def __init__(self, stages: Sequence[AdapterStage], mode: Literal["grow", "stack"] = "grow") -> None:
        steps = [stage.from_step for stage in stages]
        if not steps or any(later <= earlier for earlier, later in pairwise(steps)):
            raise ValueError(f"adapter stages start at steps {steps}; give at least one, in ascending order.")
        if mode not in ("grow", "stack"):
            raise ValueError(f"the adapter mode is {mode!r}; take 'grow' or 'stack'.")
        self.stages, self.mode = tuple(stages), mode

    @property
    def pairs(self) -> int:
        """Adapter pairs that a layer needs under this schedule."""
        return len(self.stages) if self.mode == "stack" else 1

    def stage(self, step: int) -> int | None:
        """The number of the stage that a step belongs to, from 0; None before the first."""
        begun = [number for number, stage in enumerate(self.stages) if step >= stage.from_step]
        return begun[-1] if begun else None

    def apply(self, model: nn.Module, step: int) -> tuple[str, ...]:
        """Open the adapters of the step's stage and close all others; other parameters are left alone.

        Returns:
            The names of the layers whose adapters train.

        Raises:
            ValueError: The model has no adapter, one with another number of pairs, a stage matches no layer, or in
                "grow" a stage would close a layer that the one before trained.
        """
        layers = {name: part for name, part in model.named_modules() if isinstance(part, LowRankLinear)}
        self._require_fit(layers)
        number = self.stage(step)
        opened = set() if number is None else self._opened(layers, number)
        pair = number if self.mode == "stack" else 0
        for name, layer in layers.items():
            for place, both in enumerate(zip(layer.down, layer.up, strict=True)):
                for parameter in both:
                    parameter.requires_grad_(name in opened and place == pair)
                    if not parameter.requires_grad:
                        parameter.grad = None
        return tuple(name for name in layers if name in opened)

    def _opened(self, layers: dict[str, LowRankLinear], number: int) -> set[str]:
        return {name for name in layers if re.fullmatch(self.stages[number].layers, name)}

    def _require_fit(self, layers: dict[str, LowRankLinear]) -> None:
        if not layers:
            raise ValueError("the model has no adapted layer; call add_adapters with the schedule's `pairs` first.")
        for name, layer in layers.items():
            if len(layer.down) != self.pairs:
                raise ValueError(
                    f"{name} has {len(layer.down)} adapter pairs, but {len(self.stages)} stages in mode {self.mode!r} "
                    f"need {self.pairs}; give add_adapters pairs={self.pairs}."
                )
        before: set[str] = set()
        for number, stage in enumerate(self.stages):
            opened = self._opened(layers, number)
            if not opened:
                raise ValueError(f"stage {number} names {stage.layers!r}, which no adapted layer is called.")
            if self.mode == "grow" and not before <= opened:
                closed = ", ".join(sorted(before - opened))
                raise ValueError(f"stage {number} would close {closed}, which mode 'grow' keeps open; name them again.")
            before = opened
