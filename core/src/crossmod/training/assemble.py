"""Make the parts of a run from its recipe: prepared corpus, model, objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from crossmod.contracts.corpus import Corpus
from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import Recipe
from crossmod.runs.model_folder import find_model, load_weights
from crossmod.runs.processor_folder import load_processors
from crossmod.training.order import mix_seed
from crossmod.training.prepare import OnProgress, Prepared, prepare


@dataclass(frozen=True)
class Parts:
    """What a run trains and on what."""

    prepared: Prepared
    model: CrossModal
    mixture: Mixture


def assemble(
    recipe: Recipe,
    *,
    corpus: Corpus | None = None,
    processors: Path | None = None,
    on_progress: OnProgress = lambda modality, done, total: None,
) -> Parts:
    """Read the corpus, make or load the processors, prepare the inputs, initialise model and objectives.

    Initialisation depends on the recipe's seed alone.

    Args:
        recipe: The run.
        corpus: The corpus, when it has been read already.
        processors: Folder of processors to load; None fits them on the training items, or takes those of
            `run.initialise`.
        on_progress: Called while items are processed.

    Raises:
        UserError: The corpus, the processors or the starting weights cannot serve.
    """
    if corpus is None:
        corpus = recipe.data.build()
    start = find_model(Path(recipe.run.initialise)) if recipe.run.initialise else None
    if processors is None and start is not None:
        processors = start / "processors"
    ready = fit_processors(recipe, corpus) if processors is None else load_processors(processors, recipe.towers)
    data = recipe.data
    prepared = prepare(corpus, ready, workers=data.workers, max_rejected=data.max_rejected, on_progress=on_progress)
    model, mixture = initialise(recipe, ready)
    if start is not None:
        _start_from(model, start)
    return Parts(prepared, model, mixture)


def fit_processors(recipe: Recipe, corpus: Corpus) -> dict[str, Processor]:
    """Fit every modality's processor on the training items alone.

    Raises:
        UserError: The corpus lacks a modality, or has no training item of it.
    """
    processors = {}
    for modality, settings in recipe.towers.modalities.items():
        if modality not in corpus.columns:
            raise UserError(
                f"corpus {corpus.name} has no {modality}; it has {', '.join(corpus.columns)}. "
                "Choose another corpus or other towers."
            )
        items = corpus.training_items(modality)
        if not items:
            raise UserError(f"corpus {corpus.name} has no training row with a {modality}; look at its split column.")
        processors[modality] = settings.fit_processor(items)
    return processors


def initialise(recipe: Recipe, processors: Mapping[str, Processor]) -> tuple[CrossModal, Mixture]:
    """Freshly initialised model and objectives, from the recipe's seed alone."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(mix_seed(recipe.seed, 0))
        towers = recipe.towers.build(processors)
        model = CrossModal(towers, recipe.embedding)
        mixture = Mixture(recipe.objectives, towers)
    return model, mixture


def _start_from(model: CrossModal, folder: Path) -> None:
    """Load the weights of another model, strictly."""
    from safetensors.torch import load_file

    from crossmod.runs.model_folder import WEIGHTS

    load_weights(model, load_file(folder / WEIGHTS), str(folder))
