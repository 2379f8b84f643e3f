"""What `crossmod evaluate RUN --attack NAME` runs: retrieval on clean and attacked input, beside noise alone."""

from __future__ import annotations

from pathlib import Path

from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.model import CrossModal
from crossmod.robustness.continuous import declared_input, values_of
from crossmod.robustness.sentences import token_tower
from crossmod.robustness.settings import AttackSettings
from crossmod.robustness.tables import attack_table, table_of_transfer
from crossmod.robustness.transfer import sides_of, transfer_success
from crossmod.robustness.word_side import attacks_words
from crossmod.runs.model_folder import load_model_and_recipe, read_spec
from crossmod.training.prepare import Prepared
from crossmod_report import Table

THIS = "this run"


def evaluate(context: EvaluationContext, settings: AttackSettings) -> list[Table]:
    """The evaluation of every domain that an attack can change: a table an attacked pair, and one of its transfer.

    Raises:
        UserError: The settings, the corpus or the models rule the attack out.
    """
    settings = settings.build()
    model, prepared = context.model, context.prepared
    other = _load_other(context, settings) if settings.transfer else None
    tables = []
    for modality, guide in questions(model, prepared, settings):
        title = f"{settings.attack} on {modality} guided by {guide}, {settings.split} split of {prepared.corpus.name}"
        models = {THIS: model} if other is None else {THIS: model, settings.transfer: other}
        sides = sides_of(models, prepared, modality=modality, guide=guide, settings=settings)
        tables.append(attack_table(sides[THIS], title))
        if other is not None:
            found = {epsilon: transfer_success(sides, epsilon) for epsilon in sides[THIS].budgets}
            tables.append(table_of_transfer(found, title))
    return tables


def questions(model: CrossModal, prepared: Prepared, settings: AttackSettings) -> list[tuple[str, str]]:
    """(attacked modality, other modality), as the settings choose them.

    Raises:
        UserError: A chosen modality is unknown or the attack cannot change it, or it can change none.
    """
    for name in filter(None, (settings.modality, settings.guide)):
        model.tower(name)
    if settings.modality:
        _require_attackable(model, prepared, settings.modality, settings)
        attacked = [settings.modality]
    else:
        attacked, reasons = _attackable(model, prepared, settings)
        if not attacked:
            raise UserError(
                f"no modality of this model has a continuous input that an attack could move: {'; '.join(reasons)}; "
                "attack a model of vectors, pictures, volumes or spectrograms."
            )
    found = [
        (modality, guide)
        for modality in attacked
        for guide in ([settings.guide] if settings.guide else model.modalities)
        if guide != modality and _meet(prepared, modality, guide, settings.split)
    ]
    if not found:
        guides = settings.guide or "another modality"
        raise UserError(
            f"no row of the {settings.split} split of {prepared.corpus.name} has both {' or '.join(attacked)} and "
            f"{guides}; choose another --split, or a --guide other than the attacked modality."
        )
    return found


def _meet(prepared: Prepared, a: str, b: str, split: str) -> bool:
    return len(prepared.rows(split, a, b)) > 0


def _require_attackable(model: CrossModal, prepared: Prepared, modality: str, settings: AttackSettings) -> None:
    if attacks_words(settings, prepared, modality):
        token_tower(model, modality)
        return
    declared_input(model.tower(modality), modality)
    values_of(prepared.inputs[modality], modality)


def _attackable(model: CrossModal, prepared: Prepared, settings: AttackSettings) -> tuple[list[str], list[str]]:
    """The modalities that can be attacked, and why each other one cannot."""
    attacked, reasons = [], []
    for name in model.modalities:
        try:
            _require_attackable(model, prepared, name, settings)
        except UserError as error:
            reasons.append(str(error).partition(";")[0])
        else:
            attacked.append(name)
    return attacked, reasons


def _load_other(context: EvaluationContext, settings: AttackSettings) -> CrossModal:
    path = Path(settings.transfer)
    # Only a model of this recipe's kind reads the same inputs, so this recipe's class reads the other one.
    domain = Domain(read_spec(path)["domain"], "", type(context.recipe), Path())
    return load_model_and_recipe(path, domain)[0]
