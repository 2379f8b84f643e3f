"""Another model on the same prepared corpus, trained as a run trains: what a claim of an objective is held against."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.recipe import Recipe
from crossmod.runs.folder import RunFolder
from crossmod.runs.model_folder import load_weights
from crossmod.state.low_rank import fold_adapters
from crossmod.training.assemble import parts_on
from crossmod.training.fit import Fit
from crossmod.training.interrupt import Interrupt


def train_twin(domain: Domain, recipe: Recipe, context: EvaluationContext) -> EvaluationContext:
    """Train another recipe of the same towers on the corpus that a context has prepared.

    Seed, order of the rows and choice of the step follow the recipe as in a run of its own; nothing is left on disk.

    Args:
        domain: The domain of both recipes.
        recipe: What to train; its towers read what those of the context read.
        context: The model beside, and the corpus; its display shows the steps.

    Raises:
        UserError: A signal stopped it.
    """
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with tempfile.TemporaryDirectory() as place, Interrupt() as interrupt, torch.random.fork_rng(devices=devices):
        recipe = replace(recipe, run=replace(recipe.run, folder=place))
        folder = RunFolder(Path(place))
        parts = parts_on(recipe, context.prepared, context.model.processors)
        fit = Fit(domain, recipe, folder, parts, context.display, interrupt)
        fit.run()
        if interrupt.requested is not None:
            raise UserError(
                f"the model beside was stopped by {interrupt.requested.name} after step {fit.module.step} of "
                f"{recipe.run.steps}; evaluate again to train it anew."
            )
        best = folder.best() or fit.checkpoint()
        load_weights(parts.model, {**best.part("model"), **best.part("average")}, place)
    fold_adapters(parts.model)
    return EvaluationContext(parts.model.to("cpu").eval(), recipe, ready=context.prepared)
