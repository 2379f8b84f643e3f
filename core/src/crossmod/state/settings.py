"""Settings of what trains when: parts that are frozen, and low-rank adapters that open stage by stage (torch-free)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from crossmod.state.adapter_stages import StagedAdapterSchedule
    from crossmod.state.freeze_policy import Freeze


@dataclass(frozen=True, kw_only=True)
class FreezePart(Settings):
    """A part of the model that stays as it is, for the whole run or for some of its steps (LiT, arXiv:2111.07991).

    Args:
        part: A modality (its tower and its projection), or a regular expression that the whole dotted name of a module
            or parameter matches, such as `towers\\.text\\.blocks\\.[0-5]`.
        but: What of it trains all the same, as such a regular expression; `.*\\.bias|.*norm.*` leaves biases and layer
            norms open. Empty leaves nothing open.
        from_step: First step at which it is frozen.
        until_step: First step at which it trains again; null never.
        evaluation: Whether it ignores training mode meanwhile: no dropout, no running statistics.
    """

    part: str
    but: str = ""
    from_step: int = 0
    until_step: int | None = None
    evaluation: bool = True

    def build(self, modalities: Collection[str]) -> Freeze:
        """Make the rule, for a model of these modalities."""
        from crossmod.state.freeze_policy import Freeze

        modality = self.part in modalities
        return Freeze(
            pattern=rf"(towers|heads)\.{re.escape(self.part)}" if modality else self.part,
            but=self.but,
            from_step=self.from_step,
            until_step=self.until_step,
            keep_in_evaluation=self.evaluation,
        )


@dataclass(frozen=True, kw_only=True)
class AdapterOpening(Settings):
    """One stage of a schedule of adapters.

    Args:
        from_step: First step of the stage.
        layers: Regular expression that the whole dotted name of an adapted layer matches to train in this stage.
    """

    from_step: int
    layers: str

    def build(self) -> AdapterOpening:
        """A stage describes no part of its own; its schedule reads it."""
        return self


@dataclass(frozen=True, kw_only=True)
class Adapters(Settings):
    """Low-rank adapters on linear layers, opened stage by stage (LoRA, arXiv:2106.09685; HiVG, arXiv:2404.13400).

    Adapted layers keep their own weights; freeze the rest of their tower with `freeze`, which leaves adapters to their
    stages. The exported model has the adapters folded in and is an ordinary one.

    Args:
        layers: Regular expression that the whole dotted name of a linear layer matches to be adapted, such as
            `towers\\.text\\.blocks\\.\\d+\\.(query_key_value|attention_out)`.
        rank: Rank of a pair of matrices. (32 in HiVG.)
        alpha: Numerator of the scale alpha/rank. (16 in HiVG.)
        dropout: Probability of dropping a component of the adapters' input. (0.1 in HiVG.)
        stages: Which layers' adapters train from which step on; empty trains all of them from the start.
        mode: "grow" opens more and more layers, as HiVG's code; "stack" gives each stage a pair of its own.
    """

    layers: str
    rank: int = 32
    alpha: float = 16.0
    dropout: float = 0.1
    stages: tuple[AdapterOpening, ...] = ()
    mode: Literal["grow", "stack"] = "grow"

    def __post_init__(self) -> None:
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise UserError(
                f"adapters of rank {self.rank} with dropout {self.dropout} cannot be made; the rank is at least 1, and "
                "the dropout from 0 up to below 1."
            )

    def build(self, model: nn.Module) -> StagedAdapterSchedule:
        """Adapt the layers of a model in place, and make the schedule of their stages.

        Raises:
            UserError: The pattern is no regular expression or names no layer, or the stages do not ascend.
        """
        from crossmod.state.adapter_stages import AdapterStage, StagedAdapterSchedule
        from crossmod.state.low_rank import add_adapters

        stages = [AdapterStage(from_step=stage.from_step, layers=stage.layers) for stage in self.stages]
        try:
            schedule = StagedAdapterSchedule(stages or [AdapterStage(from_step=0, layers=".*")], self.mode)
            add_adapters(model, self.layers, self.rank, self.alpha, dropout=self.dropout, pairs=schedule.pairs)
        except (ValueError, re.error) as error:
            raise UserError(f"run.adapters: {error}") from error
        return schedule
