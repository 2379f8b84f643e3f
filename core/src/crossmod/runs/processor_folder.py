"""Processors on disk: one folder a modality, with the spec and the files it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from crossmod.contracts.processor import Processor
from crossmod.errors import UserError
from crossmod.recipe import TowerSettings


def save_processors(folder: Path, processors: Mapping[str, Processor]) -> None:
    """Write every processor's spec and files."""
    for modality, processor in processors.items():
        place = folder / modality
        place.mkdir(parents=True, exist_ok=True)
        (place / "spec.json").write_text(json.dumps(dict(processor.spec), indent=2) + "\n", encoding="utf-8")
        for name, content in processor.files().items():
            if Path(name).name != name or name == "spec.json":
                raise ValueError(f"processor file {name!r} is not a plain file name")
            (place / name).write_bytes(content)


def load_processors(folder: Path, towers: Mapping[str, TowerSettings]) -> dict[str, Processor]:
    """Read the processors of a recipe's towers, by modality.

    Raises:
        UserError: A modality is missing, its spec cannot be read, or the tower's settings cannot serve it.
    """
    processors = {}
    for modality, settings in towers.items():
        place = folder / modality
        try:
            spec = json.loads((place / "spec.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{place} has no readable spec of the modality {modality} ({error}); "
                "give the folder of a model that was trained with these towers."
            ) from None
        files = {p.name: p.read_bytes() for p in sorted(place.iterdir()) if p.is_file() and p.name != "spec.json"}
        processors[modality] = settings.load_processor(spec, files)
    return processors


def require_same_specs(
    expected: Mapping[str, Processor], found: Mapping[str, Mapping[str, object]], where: str
) -> None:
    """Refuse weights that expect another input than this model's processors give.

    Args:
        expected: The processors of the model at hand.
        found: By modality, the specs that were written beside the weights.
        where: What the weights were read from, for the message.

    Raises:
        UserError: A spec differs; the sentence names the first field that does.
    """
    for modality, processor in expected.items():
        ours = json.loads(json.dumps(dict(processor.spec)))
        theirs = dict(found.get(modality, {}))
        if ours == theirs:
            continue
        field = next(name for name in [*ours, *theirs] if ours.get(name) != theirs.get(name))
        raise UserError(
            f"the weights of {where} expect {modality} with {field} = {theirs.get(field)!r}, but this model has "
            f"{ours.get(field)!r}; use the recipe.yaml that stands beside those weights."
        )
