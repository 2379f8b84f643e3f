"""The exported model: safetensors, spec, processors, recipe and card in one folder that loads anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import crossmod
from crossmod.cli.recipes import dump_recipe, read_recipe
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.recipe import Recipe
from crossmod.registry import load_domain
from crossmod.runs.atomic import write_folder
from crossmod.runs.processor_folder import load_processors, require_same_specs, save_processors

FORMAT = "crossmod-model-1"
WEIGHTS = "model.safetensors"


def save_model(
    folder: Path, model: CrossModal, domain: Domain, recipe: Recipe, card: str, facts: Mapping[str, Any]
) -> None:
    """Write a model folder atomically.

    Args:
        folder: Where to; an older model there is replaced as a whole.
        model: The trained model.
        domain: Its domain, which is needed to load it.
        recipe: The recipe that trained it.
        card: The model card, Markdown.
        facts: Further JSON values for the spec (step, scores).
    """

    def fill(place: Path) -> None:
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
        save_file(tensors, place / WEIGHTS, metadata={"format": FORMAT})
        save_processors(place / "processors", model.processors)
        (place / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
        (place / "spec.json").write_text(json.dumps(_spec(model, domain, facts), indent=2) + "\n", encoding="utf-8")
        (place / "README.md").write_text(card, encoding="utf-8")

    write_folder(folder, fill)


def _spec(model: CrossModal, domain: Domain, facts: Mapping[str, Any]) -> dict[str, Any]:
    modalities = {
        name: {
            "tower": type(model.tower(name)).__name__,
            "width": model.tower(name).width,
            "processor": dict(processor.spec),
        }
        for name, processor in model.processors.items()
    }
    return {
        "format": FORMAT,
        "crossmod": crossmod.__version__,
        "domain": domain.name,
        "embedding_width": model.embedding_width,
        "modalities": modalities,
        **facts,
    }


def find_model(path: Path) -> Path:
    """The model folder in `path`, which is one itself or a run folder with one.

    Raises:
        UserError: There is none.
    """
    for place in (path, path / "model"):
        if (place / "spec.json").is_file() and (place / WEIGHTS).is_file():
            return place
    raise UserError(
        f"{path} holds no model (a folder with spec.json and {WEIGHTS}); give a finished run, "
        "or finish one with `crossmod train DOMAIN --resume RUN`."
    )


def read_spec(path: Path) -> dict[str, Any]:
    """The spec of the model in `path`, a run folder or a model folder.

    Raises:
        UserError: There is no model, or its spec is not one of crossmod's.
    """
    place = find_model(path)
    try:
        spec = json.loads((place / "spec.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{place / 'spec.json'} is not JSON ({error}); export the model again.") from None
    if not isinstance(spec, dict) or spec.get("format") != FORMAT:
        raise UserError(f"{place / 'spec.json'} is not a spec of crossmod ({FORMAT}); export the model again.")
    return spec


def load_model(path: Path, domain: Domain | None = None) -> CrossModal:
    """Load a model in evaluation mode.

    Args:
        path: A run folder or a model folder.
        domain: The domain, when it is not an installed one.

    Raises:
        UserError: No model is there, its domain is missing, or weights and spec do not fit each other.
    """
    model, _, _ = load_model_and_recipe(path, domain)
    return model


def load_model_and_recipe(path: Path, domain: Domain | None = None) -> tuple[CrossModal, Recipe, Domain]:
    """Load a model in evaluation mode, with the recipe that trained it and its domain."""
    place = find_model(path)
    spec = read_spec(place)
    if domain is None:
        domain = load_domain(spec["domain"])
    elif domain.name != spec["domain"]:
        raise UserError(
            f"{place} is a model of the domain {spec['domain']}, not of {domain.name}; "
            f"use `crossmod ... {spec['domain']}`."
        )
    recipe = read_recipe(domain, (place / "recipe.yaml").read_text(encoding="utf-8"))
    processors = load_processors(place / "processors", recipe.towers.modalities)
    found = {name: entry["processor"] for name, entry in spec["modalities"].items()}
    require_same_specs(processors, found, str(place))
    model = CrossModal(recipe.towers.build(processors), recipe.embedding)
    load_weights(model, read_weights(place), str(place))
    return model.eval(), recipe, domain


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder.

    Raises:
        UserError: The file is missing or cut short.
    """
    path = folder / WEIGHTS
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}); copy or export the model again.") from None


def load_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Load a state dict strictly.

    Raises:
        UserError: A tensor is missing, left over or of another shape; the sentence names the first.
    """
    own = model.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in weights:
            raise UserError(f"{where} has no tensor {name}; its weights belong to other towers than its recipe.")
        if name not in own:
            raise UserError(f"{where} has a tensor {name} that the recipe's towers lack; use its own recipe.")
        if own[name].shape != weights[name].shape:
            raise UserError(
                f"{where} has {name} of shape {list(weights[name].shape)}, but the recipe's towers have "
                f"{list(own[name].shape)}; use its own recipe."
            )
    model.load_state_dict(dict(weights))
