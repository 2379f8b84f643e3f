"""The `against-infonce` evaluation: what an objective is worth, on the same towers, rows, seed and steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.correctness import zero_shot_correctness
from crossmod.evaluation.retrieval import Direction, gallery, retrieve
from crossmod.objectives.settings import InfoNCE
from crossmod.training.twin import train_twin
from crossmod_metrics import bootstrap_statistic
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell
from crossmod_speech.comparison.settings import AgainstInfoNCESettings

SPEECH = "speech"


@dataclass(frozen=True)
class Measured:
    """One measure of a model, item by item.

    Args:
        name: What it is.
        chance: What guessing scores.

    Shape:
        value: [items]; the mean over them is the measure.
        subject: [items]; the speaker of each.
    """

    name: str
    value: Float[Tensor, "items"]
    subject: Int64[Tensor, "items"]
    chance: float


def evaluate(context: EvaluationContext, settings: AgainstInfoNCESettings) -> list[Table]:
    """Every measure of both models, and its difference with an interval.

    Raises:
        UserError: The run's objective is InfoNCE itself, or a signal stopped the training of the model beside.
    """
    recipe = context.recipe
    plain = InfoNCE(a=SPEECH, b=settings.text)
    if [type(objective) for objective in recipe.objectives.values()] == [InfoNCE]:
        raise UserError("the run was trained by InfoNCE itself; compare one that was trained by another objective.")
    from crossmod_speech.domain import domain  # which names this module's evaluation

    twin = train_twin(domain, replace(recipe, objectives={"contrast": plain}), context)
    own, beside = (measured(each, settings.text, settings.split) for each in (context, twin))
    rows = [_row(one, other, settings) for one, other in zip(own, beside, strict=True)]
    title = f"against InfoNCE, {settings.split} split of {context.prepared.corpus.name}"
    names = ", ".join(type(objective).__name__ for objective in recipe.objectives.values())
    note = (
        f"Trained by {names}, and the same towers by InfoNCE: {recipe.run.steps} steps each, the same rows and seed. "
        "Intervals resample speakers, and sentences where they ask."
    )
    return [Table(columns=_columns(), rows=rows, title=title, note=note)]


def measured(context: EvaluationContext, text: str, split: str) -> list[Measured]:
    """Reciprocal ranks both ways, and whether every labelled utterance is classified right by prompts alone."""
    found = [
        _retrieval(context, direction, split)
        for direction in retrieve(context, split=split)
        if {direction.query, direction.candidate} == {SPEECH, text}
    ]
    for name, label in context.prepared.corpus.labels.items():
        if not label.prompts or label.modality != SPEECH or not label.classes:
            continue
        one = zero_shot_correctness(context, text, label, split)
        if one.found.has_both:
            chance = 100 / len(label.classes)
            found.append(Measured(f"{name}, accuracy %", 100 * one.right, one.found.subject, chance))
    return found


def _retrieval(context: EvaluationContext, direction: Direction, split: str) -> Measured:
    prepared = context.prepared
    rows = prepared.rows(split, direction.query, direction.candidate)
    asking = gallery(prepared, direction.query, rows)
    subject = asking.item
    # A sentence is everybody's: only recordings have a speaker.
    if direction.query == SPEECH and prepared.corpus.subject is not None:
        owner = torch.zeros(len(prepared.inputs[SPEECH]), dtype=torch.int64)
        owner[prepared.item[SPEECH][rows]] = torch.from_numpy(prepared.corpus.subject)[rows]
        subject = owner[asking.item]
    value = 1 / direction.ranks.double()
    return Measured(f"{direction.name}, MRR", value, subject, direction.random.mean_reciprocal_rank)


def _row(own: Measured, beside: Measured, settings: AgainstInfoNCESettings) -> Row:
    difference = own.value - beside.value
    cells: dict[str, Cell] = {
        "measure": own.name,
        "items": len(own.value),
        "own": _shown(own.name, float(own.value.mean())),
        "beside": _shown(own.name, float(beside.value.mean())),
        "chance": _shown(own.name, own.chance),
    }
    if len(torch.unique(own.subject)) > 1:
        gain = bootstrap_statistic(
            lambda drawn: float(difference[drawn].mean()),
            len(difference),
            own.subject,
            seed=settings.seed,
            resamples=settings.resamples,
        )
        digits = 1 if own.name.endswith("%") else 3
        cells["gain"] = f"{gain.estimate:+.{digits}f} ({gain.low:+.{digits}f} to {gain.high:+.{digits}f})"
    return Row(cells=cells)


def _shown(name: str, value: float) -> str:
    return f"{value:.1f}" if name.endswith("%") else f"{value:.3f}"


def _columns() -> list[Column]:
    return [
        Column(key="measure", title="measure"),
        Column(key="items", title="items", decimals=0),
        Column(key="own", title="this run"),
        Column(key="beside", title="InfoNCE"),
        Column(key="gain", title="difference (95 %)"),
        Column(key="chance", title="chance"),
    ]
