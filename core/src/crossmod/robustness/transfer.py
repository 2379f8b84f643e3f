"""Inputs made on one model and shown to another: does an attack carry over?

A target is fooled by whatever moves its embeddings far enough, so a weak target is fooled by noise of the same
strength too: read every target's column beside what that noise does to it, not beside the source's own success.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.robustness.settings import AttackSettings
from crossmod.robustness.side import AttackedModel, Side
from crossmod.robustness.word_side import WordSide, attacks_words
from crossmod.training.prepare import Prepared
from crossmod_metrics import TransferTable, transfer_table


def sides_of(
    models: Mapping[str, CrossModal], prepared: Prepared, *, modality: str, guide: str, settings: AttackSettings
) -> Mapping[str, AttackedModel[Any]]:
    """Several models under one attack.

    Args:
        models: By name, the one that the corpus was prepared for first; their towers of `modality` read the same
            inputs, unless it is of sentences, which any tower reads in its own way.
        prepared: The corpus.
        modality: The attacked one.
        guide: The other.
        settings: The attack.

    Raises:
        UserError: A model lacks a modality, or the models read different inputs.
    """
    names = list(models)
    for name, model in models.items():
        missing = [wanted for wanted in (modality, guide) if wanted not in model.modalities]
        if missing:
            raise UserError(
                f"{name} has no modality {' and no '.join(missing)}, only {', '.join(model.modalities)}; an attack "
                "carries over only between models of the same modalities."
            )
    if attacks_words(settings, prepared, modality):
        return {
            name: WordSide(model, prepared, modality, guide, settings, read_anew=name != names[0])
            for name, model in models.items()
        }
    first = dict(models[names[0]].processors[modality].spec)
    for name in names[1:]:
        if dict(models[name].processors[modality].spec) != first:
            raise UserError(
                f"the {modality} of {name} is read in other units than that of {names[0]}; an attack carries over only "
                "between models whose processors are equal."
            )
    return {
        name: Side(model, prepared, modality, guide, settings, read_anew=name != names[0])
        for name, model in models.items()
    }


def transfer_success(sides: Mapping[str, AttackedModel[Any]], epsilon: float) -> dict[str, TransferTable]:
    """By direction, attack success at the least k: a row a source and one for noise, a column a target.

    Args:
        sides: By name, the models, as `sides_of` gives them.
        epsilon: The budget.
    """
    first = next(iter(sides.values()))
    made = {name: side.attacked(epsilon) for name, side in sides.items() if side.makes_attacks}
    made[first.noise_name] = first.noise(epsilon)
    after = {
        source: {target: shown.ranks(values) for target, shown in sides.items()} for source, values in made.items()
    }
    with warnings.catch_warnings():
        # A target that is never right has no success rate; the table shows a dash for it.
        warnings.filterwarnings("ignore", "no query is right", UserWarning)
        return {
            direction: transfer_table(
                {target: side.clean[direction] for target, side in sides.items()},
                {source: {target: of[direction] for target, of in found.items()} for source, found in after.items()},
                min(first.recalls),
            )
            for direction in first.clean
        }
