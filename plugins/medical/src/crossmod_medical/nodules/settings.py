"""Settings of how a label is scored beside a supervised network (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossmod.domain import Evaluation
from crossmod.errors import UserError
from crossmod.settings import Options


@dataclass(frozen=True, kw_only=True)
class SupervisedSettings(Options):
    """AUROC of a two-class label by prompts and by a probe, beside a 3-D network trained from scratch on that label.

    The network is an augmented residual network on the model's own grid, trained on the label's training items in this
    same evaluation; its step is chosen on the validation split. Intervals resample subjects (patients).

    Args:
        split: Whose items are scored.
        label: The label.
        text: The modality that prompts are embedded by.
        beside: A measured label whose value alone is scored too; empty for none.
        steps: Steps of the network.
        check_every: Steps between looks at the validation split.
        batch_size: Volumes a step.
        rate: Peak learning rate of the network.
        weight_decay: Its decoupled decay.
        base: Channels of its first stage.
        resamples: Bootstrap resamples.
        seed: Of the network and of the resamples.
    """

    split: Literal["validation", "test"] = "test"
    label: str = "malignancy"
    text: str = "text"
    beside: str = "diameter_mm"
    steps: int = 200
    check_every: int = 20
    batch_size: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.05
    base: int = 16
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.check_every, self.batch_size) < 1 or self.resamples < 2:
            raise UserError("steps, check_every and batch_size are at least 1, resamples at least 2.")


EVALUATIONS: dict[str, Evaluation] = {
    "supervised": Evaluation(
        name="supervised",
        summary="a label by prompts and by a probe, beside a 3-D network trained from scratch on it",
        target="crossmod_medical.nodules.evaluation:evaluate",
        settings=SupervisedSettings,
    ),
}
"""Evaluations of corpora of lesions."""
