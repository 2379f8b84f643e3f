"""Make the parts of a run from its recipe: prepared corpus, model, objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from crossmod.contracts.corpus import Corpus
from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.objectives.mixture import Mixture
from crossmod.recipe import Recipe
from crossmod.runs.model_folder import find_model, load_weights, read_spec, read_weights
from crossmod.runs.processor_folder import load_processors
from crossmod.training.order import mix_seed
from crossmod.training.prepare import OnProgress, Prepared, prepare
from crossmod.training.trainability import Trainability

PARTS = ("towers", "heads")
"""What a model has of every modality."""


@dataclass(frozen=True)
class Parts:
    """What a run trains and on what."""

    prepared: Prepared
    model: CrossModal
    mixture: Mixture
    trainability: Trainability


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
    start = Start.of(recipe)
    if processors is not None:
        ready = load_processors(processors, recipe.towers.modalities)
    else:
        taken = start.processors(recipe) if start is not None else {}
        ready = fit_processors(recipe, corpus, taken)
    data = recipe.data
    prepared = prepare(corpus, ready, workers=data.workers, max_rejected=data.max_rejected, on_progress=on_progress)
    return Parts(prepared, *_initialise(recipe, ready, start))


def parts_on(recipe: Recipe, prepared: Prepared, processors: Mapping[str, Processor]) -> Parts:
    """Initialise model and objectives of a recipe for a corpus that these processors have prepared.

    Raises:
        UserError: The starting weights cannot serve.
    """
    return Parts(prepared, *_initialise(recipe, processors, Start.of(recipe)))


def fit_processors(
    recipe: Recipe, corpus: Corpus, taken: Mapping[str, Processor] | None = None
) -> dict[str, Processor]:
    """Fit every modality's processor on the training items alone.

    Args:
        recipe: The run.
        corpus: Its corpus.
        taken: Processors that are there already, from a model that training starts from.

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
        processors[modality] = (taken or {}).get(modality) or settings.fit_processor(items)
    return processors


def initialise(recipe: Recipe, processors: Mapping[str, Processor]) -> tuple[CrossModal, Mixture]:
    """Freshly initialised model and objectives, from the recipe's seed alone."""
    model, mixture, _ = _initialise(recipe, processors, None)
    return model, mixture


def _initialise(
    recipe: Recipe, processors: Mapping[str, Processor], start: Start | None
) -> tuple[CrossModal, Mixture, Trainability]:
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(mix_seed(recipe.seed, 0))
        towers = recipe.towers.build(processors)
        model = CrossModal(towers, recipe.embedding)
        if start is not None:
            start.load(model)
        # Before the objectives, whose slow copies of towers have to have the same parts.
        schedule = recipe.run.adapters.build(model) if recipe.run.adapters is not None else None
        mixture = Mixture(recipe.objectives, towers)
    return model, mixture, Trainability(model, mixture, recipe.run, schedule)


@dataclass(frozen=True)
class Start:
    """The model that training starts from.

    Args:
        folder: Its folder.
        modalities: What is taken from it, processors included.
        parts: Parts of the new model, and the parts of that one whose weights they take.
    """

    folder: Path
    modalities: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe) -> Start | None:
        """Where a recipe starts from; None starts anew.

        Raises:
            UserError: There is no model, or it is told to give a modality that the recipe lacks.
        """
        if not recipe.run.initialise:
            return None
        own = tuple(recipe.towers.modalities)
        for modality in recipe.run.initialise_only:
            if modality not in own:
                raise UserError(f"run.initialise_only names {modality!r}, but the recipe has {', '.join(own)}.")
        folder, parts = find_model(Path(recipe.run.initialise)), recipe.run.initialise_parts
        wanted = recipe.run.initialise_only or (() if parts else own)
        spec = read_spec(folder)
        for modality in wanted:
            if modality not in spec["modalities"]:
                raise UserError(
                    f"{folder} is a model of the domain {spec['domain']} with {', '.join(spec['modalities'])} and has "
                    f"no {modality} to start from; take what it has with --run.initialise_only."
                )
        return cls(folder, wanted, parts)

    def processors(self, recipe: Recipe) -> dict[str, Processor]:
        """The processors of the taken modalities."""
        towers = recipe.towers.modalities
        return load_processors(self.folder / "processors", {name: towers[name] for name in self.modalities})

    def load(self, model: CrossModal) -> None:
        """Load the taken weights, strictly.

        Raises:
            UserError: One of the models has no such part, or the two parts differ.
        """
        weights = read_weights(self.folder)
        same = {f"{part}.{modality}": f"{part}.{modality}" for modality in self.modalities for part in PARTS}
        for mine, theirs in (same | dict(self.parts)).items():
            own = {
                name.removeprefix(f"{theirs}."): value
                for name, value in weights.items()
                if name.startswith(f"{theirs}.")
            }
            try:
                module = model.get_submodule(mine)
            except AttributeError:
                raise UserError(f"run.initialise_parts names {mine}, which this model does not have.") from None
            load_weights(module, own, f"{theirs} of {self.folder}")
