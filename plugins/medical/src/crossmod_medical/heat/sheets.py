"""Phrases over slices for the run report: which scans a phrase finds, and where in them it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.contracts.corpus import Label
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.margins import Margins, label_margins, prompt_classes
from crossmod_medical.heat.maps import occlusion_map, on_grid, place_map, within_body
from crossmod_medical.heat.pictures import picture
from crossmod_medical.volumes import VolumeInputs
from crossmod_report import Exhibit, RetrievalSheet, retrieval_sheet

TEXT = "text"

MOST_PHRASES = 6

USUAL = 64
"""Scans, evenly spaced, whose mean map is what is usual."""

SHOWN = 3
"""Best scans of a phrase that are shown, besides the best one that has the finding."""


@dataclass(frozen=True)
class _Phrase:
    """A finding whose affirmation is asked for: its label, all margins of a split, and which scans are shown."""

    name: str
    label: Label
    scored: Margins
    shown: Int64[Tensor, "shown"]


def phrase_sheets(context: EvaluationContext, split: str) -> list[RetrievalSheet]:
    """For some findings, the scans of a split that their affirmation finds, each with heat over slices.

    None where the model reads no volumes, or no label of them has two classes, prompts, and both classes in the split.
    """
    model, prepared = context.model, context.prepared
    found: list[_Phrase] = []
    for name, label in prepared.corpus.labels.items():
        readable = {label.modality, TEXT} <= set(model.modalities) and len(label.classes) == 2 and label.prompts
        if readable and isinstance(prepared.inputs[label.modality], VolumeInputs):
            scored = label_margins(context, TEXT, label, split)
            if scored.found.has_both:
                found.append(_Phrase(name, label, scored, _shown(scored)))
    if not found:
        return []
    chosen = dict.fromkeys(np.linspace(0, len(found) - 1, MOST_PHRASES).round().astype(int).tolist())
    phrases = [found[place] for place in chosen]
    sheets: list[RetrievalSheet] = []
    for modality in dict.fromkeys(phrase.label.modality for phrase in phrases):
        sheets += _sheets(context, modality, split, [phrase for phrase in phrases if phrase.label.modality == modality])
    return sheets


def _sheets(context: EvaluationContext, modality: str, split: str, phrases: list[_Phrase]) -> list[RetrievalSheet]:
    """The sheets of one modality; the places of every scan are computed once for all phrases."""
    inputs = context.prepared.inputs[modality]
    assert isinstance(inputs, VolumeInputs)
    directions = torch.stack([prompt_classes(context.model, TEXT, phrase.label) for phrase in phrases])
    every = torch.unique(torch.cat([phrase.scored.found.item for phrase in phrases]))
    usual = every[torch.linspace(0, len(every) - 1, min(USUAL, len(every))).round().long()]
    shown = torch.cat([phrase.scored.found.item[phrase.shown] for phrase in phrases])
    items = torch.unique(torch.cat([usual, shown]))
    places = place_map(context.model, modality, inputs.take(items), directions)
    if places is None:
        items = torch.unique(shown)
        heat = occlusion_map(context.model, modality, inputs.take(items), directions)
        says = "how much the number falls when a place is hidden"
    else:
        # Anatomy that all scans share speaks for some phrases and against others, wherever it lies.
        heat = places - places[torch.isin(items, usual)].mean(0)
        says = "places that are nearer to the phrase than in the other scans"
    sheets = []
    for number, phrase in enumerate(phrases):
        own = phrase.scored.found.item[phrase.shown]
        volumes, of_phrase = inputs.take(own), heat[torch.searchsorted(items, own), ..., number]
        drawn = within_body(volumes.voxels, on_grid(of_phrase, inputs.spec.shape))
        sheets.append(_sheet(context, split, phrase, volumes, drawn, says))
    return sheets


def _sheet(
    context: EvaluationContext,
    split: str,
    phrase: _Phrase,
    volumes: VolumeInputs,
    heat: Float[Tensor, "shown depth height width"],
    says: str,
) -> RetrievalSheet:
    label, scored = phrase.label, phrase.scored
    hottest = float(heat.max())
    items = context.prepared.corpus.columns[label.modality].items
    gallery = [Exhibit(caption="")] * len(scored.margin)
    for place, number in enumerate(phrase.shown.tolist()):
        caption = str(items[int(scored.found.item[number])])[:120]
        png = picture(volumes.voxels[place].numpy(), heat[place].numpy(), volumes.spec, hottest)
        gallery[number] = Exhibit(caption=caption, png=png)
    return retrieval_sheet(
        [Exhibit(caption=label.prompts[label.classes[1]][0])],
        gallery,
        [scored.margin.tolist()],
        [(scored.truth == 1).nonzero().flatten().tolist()],
        title=f"{phrase.name} over slices, {split} split",
        nearest=SHOWN,
        note=(
            f"Numbers: cos(scan, affirmation) - cos(scan, denial). Red: {says}. Shown: the slice of the hottest voxel "
            "over the coronal cut through it, the patient's right on the left. "
            "What a model looks at is no proof of what is there."
        ),
    )


def _shown(scored: Margins) -> Int64[Tensor, "shown"]:
    """Positions of the scans with the highest margins, and of the highest that has the finding."""
    order = torch.argsort(scored.margin, descending=True, stable=True)
    right = order[scored.truth[order] == 1][:1]
    return torch.tensor(list(dict.fromkeys([*order[:SHOWN].tolist(), *right.tolist()])))
