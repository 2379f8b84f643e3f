"""`crossmod train`: from a recipe to a run folder with a model, a report and a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from crossmod.cli.recipes import dump_recipe, read_recipe
from crossmod.distributed.world import is_main, world_size
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.evaluation.run import find_evaluation
from crossmod.recipe import Recipe
from crossmod.runs.atomic import write_folder, write_text
from crossmod.runs.environment import environment
from crossmod.runs.folder import RunFolder
from crossmod.runs.processor_folder import save_processors
from crossmod.runs.space import require_space
from crossmod.training.assemble import assemble
from crossmod.training.display import Display
from crossmod.training.finish import finish
from crossmod.training.fit import Fit
from crossmod.training.interrupt import Interrupt
from crossmod.training.prepare import TooManyRejectedError

FOLDER_VARIABLE = "CROSSMOD_RUN_FOLDER"
"""Tells the further processes of one machine which folder the first one made."""


def train(domain: Domain, recipe: Recipe, *, resume: Path | None = None, command: Sequence[str] = ()) -> int:
    """Train a recipe, or go on with an interrupted run.

    Args:
        domain: The domain that the recipe belongs to.
        recipe: The run; with `resume`, the run's own recipe with `run` settings that may differ.
        resume: The folder of the run to go on with.
        command: The command line, for the record.

    Returns:
        0 when the run is complete, 128 + signal number when a signal ended it early.

    Raises:
        UserError: Something in the recipe, the data or the folder has to change first.
    """
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    for name in recipe.run.finish:
        find_evaluation(domain, name)
    folder = _folder(domain, recipe, resume)
    with Display.for_main(is_main()) as display, Interrupt() as interrupt:
        display.say(f"run folder {folder.path}")
        fit = _get_ready(domain, recipe, folder, resume, display, interrupt)
        if is_main() and resume is None:
            _record(domain, recipe, folder, fit, command)
        if is_main() and (recipe.run.freeze or recipe.run.adapters is not None):
            trains, every = fit.parts.trainability.counts()
            display.say(f"{trains:,} of {every:,} numbers train at the start")
        fit.run()
        if interrupt.requested is not None:
            display.say(
                f"stopped by {interrupt.requested.name} after step {fit.module.step}; "
                f"go on with `crossmod train {domain.name} --resume {folder.path}`"
            )
            return 128 + interrupt.requested.value
        if is_main():
            finish(domain, recipe, folder, fit, display)
    if world_size() > 1:
        torch.distributed.barrier()
    return 0


def _folder(domain: Domain, recipe: Recipe, resume: Path | None) -> RunFolder:
    if resume is not None:
        return RunFolder.open(resume)
    if FOLDER_VARIABLE in os.environ and not is_main():
        return RunFolder(Path(os.environ[FOLDER_VARIABLE]))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not recipe.run.folder:
        raise UserError("processes that a launcher started have to agree on one folder; give it with --run.folder.")
    if not is_main():
        return RunFolder(Path(recipe.run.folder))
    folder = RunFolder.create(domain.name, recipe.run.folder)
    if recipe.run.devices > 1:
        os.environ[FOLDER_VARIABLE] = str(folder.path)
    return folder


def _get_ready(
    domain: Domain, recipe: Recipe, folder: RunFolder, resume: Path | None, display: Display, interrupt: Interrupt
) -> Fit:
    """Everything up to the first step; what fails here leaves no folder, but the list of rejected items if any."""
    try:
        if resume is not None:
            _require_same_recipe(domain, recipe, folder)
        processors = folder.processors if resume is not None else None
        parts = assemble(recipe, processors=processors, on_progress=display.reading)
        fit = Fit(domain, recipe, folder, parts, display, interrupt)
        if resume is not None:
            fit.restore()
        require_space(folder.path, parts, recipe.run.keep)
    except TooManyRejectedError as error:
        if is_main():
            folder.write_rejected(error.rejected)
        raise UserError(f"{error} All of them are listed in {folder.path / 'rejects.tsv'}.") from None
    except BaseException:
        if is_main():
            folder.discard_if_empty()
        raise
    return fit


def _require_same_recipe(domain: Domain, recipe: Recipe, folder: RunFolder) -> None:
    """Only how long and where a run goes on may change; what it learns may not."""
    kept = read_recipe(domain, folder.recipe.read_text(encoding="utf-8"))
    for part in ("data", "towers", "objectives", "embedding", "optimiser", "seed"):
        if getattr(kept, part) != getattr(recipe, part):
            raise UserError(
                f"a resumed run keeps its recipe, but `{part}` differs from {folder.recipe}; "
                f"start a new run, or one from its weights with --run.initialise {folder.path}."
            )
    for part in ("batch_size", "draw", "chunk_size", "steps", "select_by", "freeze", "adapters"):
        if getattr(kept.run, part) != getattr(recipe.run, part):
            raise UserError(
                f"run.{part} of a resumed run stays {getattr(kept.run, part)} (it decides order, schedule, what "
                f"trains or is kept); start a new run, or one from its weights with --run.initialise {folder.path}."
            )


def _record(domain: Domain, recipe: Recipe, folder: RunFolder, fit: Fit, command: Sequence[str]) -> None:
    """Write what the run is, before its first step."""
    fitted = fit.parts.model.processors
    write_folder(folder.processors, lambda place: save_processors(place, fitted))
    write_text(folder.recipe, dump_recipe(recipe))
    folder.write_rejected(fit.parts.prepared.rejected)
    folder.write_environment(environment(domain, command))
