"""Reads LIDC-IDRI nodules: a table of ratings and a crop of the scan for every nodule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossmod.contracts.corpus import Column, Corpus, Label, Rejected
from crossmod.errors import UserError
from crossmod.sources.distinct import distinct
from crossmod.sources.groups import groups_of
from crossmod.sources.paths import EscapingPath, below_root
from crossmod.sources.splits import random_split
from crossmod.sources.tables import open_table
from crossmod_medical.nodules.captions import (
    ATTRIBUTES,
    BENIGN,
    MALIGNANT,
    canonical_caption,
    captions,
    malignancy_prompts,
)
from crossmod_medical.nodules.data import LidcNodules
from crossmod_medical.sources import SliceSource

SPLITS = {"train": "train", "val": "test"}
UNDECIDED = 3
"""The malignancy that belongs to neither class."""


@dataclass(frozen=True)
class Nodule:
    """One usable row of the table."""

    line: int
    name: str
    split: str
    patient: str
    path: str
    diameter_mm: float
    depth_mm: float
    malignancy: float
    terms: Mapping[str, str]


def read_lidc_nodules(settings: LidcNodules) -> Corpus:
    """Read the corpus.

    Raises:
        UserError: There is no table, one of its columns is missing, or none of its rows can be used.
    """
    rejected: list[Rejected] = []
    nodules = _with_validation(list(_nodules(Path(settings.root), rejected)), settings)
    if not nodules:
        first = f"; the first: line {rejected[0].line}, {rejected[0].reason}" if rejected else ""
        raise UserError(f"{Path(settings.root) / 'nodules.csv'} has no usable nodule{first}.")
    rows = [
        (nodule, image, text)
        for nodule in nodules
        for image, text in itertools.product(_images(nodule, settings), _texts(nodule, settings))
    ]
    canonical = {nodule.name: canonical_caption(nodule.terms, nodule.diameter_mm) for nodule in nodules}
    group = groups_of(
        [nodule.name for nodule, _, _ in rows], [f"{nodule.split}\n{canonical[nodule.name]}" for nodule, _, _ in rows]
    )
    images, image_at = distinct(image for _, image, _ in rows)
    line = dict(zip(reversed(image_at), (nodule.line for nodule, _, _ in reversed(rows)), strict=True))
    texts, text_at = distinct((int(number), text) for number, (_, _, text) in zip(group, rows, strict=True))
    return Corpus(
        name="LIDC nodules" + (", slices" if settings.slices else ""),
        columns={
            "image": Column(images, np.array(image_at, np.int64), [line[place] for place in range(len(images))]),
            "text": Column([text for _, text in texts], np.array(text_at, np.int64)),
        },
        ids=[nodule.name for nodule, _, _ in rows],
        group=group,
        split=np.array([nodule.split for nodule, _, _ in rows]),
        facts={
            "source": "LIDC-IDRI, doi:10.7937/K9/TCIA.2015.LO9QL9SX",
            "licence": "CC BY 3.0",
            "texts": "put together from rated terms",
        },
        rejected=tuple(rejected),
        labels=_labels([nodule for nodule, _, _ in rows]),
        subject=np.array(distinct(nodule.patient for nodule, _, _ in rows)[1], np.int64),
    )


def _nodules(root: Path, rejected: list[Rejected]) -> Iterator[Nodule]:
    table = open_table(root / "nodules.csv")
    names = ("name", "split", "patient_id", "size_z", "spacing_z", "diameter_mm", "malignancy_value", *ATTRIBUTES)
    at = {name: table.position(name) for name in names}
    for row in table.rows:
        cells = {} if row.fault else {name: str(row.cells[place]).strip() for name, place in at.items()}
        found = row.fault or _nodule(root, row.line, cells)
        if isinstance(found, str):
            rejected.append(Rejected("image", row.line, cells.get("name", "")[:200], found))
        else:
            yield found


def _nodule(root: Path, line: int, cells: Mapping[str, str]) -> Nodule | str:
    """The nodule of a row, or why it cannot be used."""
    if cells["split"] not in SPLITS:
        return f"its split is {cells['split'][:40]!r}, neither train nor val"
    if not cells["name"] or not cells["patient_id"]:
        return "it has no name or no patient"
    numbers = {name: _number(cells[name]) for name in ("size_z", "spacing_z", "diameter_mm", "malignancy_value")}
    odd = next((name for name, value in numbers.items() if not (math.isfinite(value) and value > 0)), None)
    if odd is not None:
        return f"its {odd} is {cells[odd][:40]!r}, no positive number"
    if not 1 <= numbers["malignancy_value"] <= 5:
        return f"its malignancy is {numbers['malignancy_value']:g}, which is not from 1 to 5"
    try:
        path = below_root(root / cells["split"] / "image", f"{cells['name']}.nii.gz")
    except EscapingPath as reason:
        return str(reason)
    return Nodule(
        line=line,
        name=cells["name"],
        split=SPLITS[cells["split"]],
        patient=cells["patient_id"],
        path=str(path),
        diameter_mm=numbers["diameter_mm"],
        depth_mm=numbers["size_z"] * numbers["spacing_z"],
        malignancy=numbers["malignancy_value"],
        terms={name: cells[name] for name in ATTRIBUTES if cells[name]},
    )


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _with_validation(nodules: list[Nodule], settings: LidcNodules) -> list[Nodule]:
    training = [nodule.patient for nodule in nodules if nodule.split == "train"]
    shares = (1.0 - settings.held_back, settings.held_back, 0.0)
    drawn = dict(zip(training, random_split(training, shares, settings.split_seed), strict=True)) if training else {}
    both = {nodule.patient for nodule in nodules if nodule.split == "test"} & drawn.keys()
    if both:
        raise UserError(f"patient {min(both)} has nodules in train and in val; give all of a patient's one split.")
    return [nodule if nodule.split == "test" else replace(nodule, split=drawn[nodule.patient]) for nodule in nodules]


def _texts(nodule: Nodule, settings: LidcNodules) -> list[str]:
    count = settings.captions if nodule.split == "train" else 1
    return captions(nodule.name, nodule.terms, nodule.diameter_mm, count)


def _images(nodule: Nodule, settings: LidcNodules) -> list[Any]:
    """The nodule's volume, or some of its axial slices, evenly spread over what the scan fills of the grid."""
    if not settings.slices:
        return [nodule.path]
    return [SliceSource(nodule.path, settings.grid, index) for index in filled_slices(nodule.depth_mm, settings)]


def filled_slices(depth_mm: float, settings: LidcNodules) -> list[int]:
    """Places on the grid of at most `slices` slices of a scan of some depth, which lies centred on it."""
    grid, depth = settings.grid, settings.grid.size[2]
    filled = max(1, min(depth, math.floor(depth_mm / grid.spacing_mm[2])))
    first = (depth - filled) // 2
    count = min(settings.slices, filled)
    return [first + math.floor((number + 0.5) * filled / count) for number in range(count)]


def _labels(nodules: list[Nodule]) -> dict[str, Label]:
    """Malignancy 1-2 against 4-5 with prompts, and the diameter."""
    malignant = [
        math.nan if nodule.malignancy == UNDECIDED else float(nodule.malignancy > UNDECIDED) for nodule in nodules
    ]
    return {
        "malignancy": Label(np.array(malignant), "image", (BENIGN, MALIGNANT), malignancy_prompts()),
        "diameter_mm": Label(np.array([nodule.diameter_mm for nodule in nodules]), "image"),
    }
