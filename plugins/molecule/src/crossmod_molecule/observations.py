"""From observations, one molecule with one text, to a corpus: items stored once, groups, splits, rejected rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.corpus import Column, Corpus, Rejected
from crossmod.errors import UserError
from crossmod.sources.groups import groups_of
from crossmod_molecule.identities import Identity, identities


@dataclass(frozen=True)
class Observation:
    """One molecule and one of its texts, as a source states them.

    Args:
        id: The source's identifier of the molecule.
        smiles: The structure.
        line: The source's line of the structure.
        text: What is said of it; empty for a molecule that is a candidate only.
        text_line: The source's line of the text.
        split: The split, where the source itself states one.
        weight: How often training draws it; see `Corpus.weight`.
    """

    id: str
    smiles: str
    line: int
    text: str = ""
    text_line: int = 0
    split: str = ""
    weight: float = 1.0


Splitter = Callable[[Sequence[Observation], Sequence[Identity], npt.NDArray[np.int64]], Sequence[str]]
"""Split of every observation, from the observations, their identities and their groups."""


def stated_split(
    observations: Sequence[Observation], found: Sequence[Identity], groups: npt.NDArray[np.int64]
) -> list[str]:
    """The split that the source states."""
    return [observation.split for observation in observations]


def assemble_corpus(
    name: str,
    observations: Sequence[Observation],
    *,
    splitter: Splitter = stated_split,
    scaffolds: bool = False,
    workers: int = 0,
    rejected: Sequence[Rejected] = (),
    facts: Mapping[str, Any] | None = None,
) -> Corpus:
    """Make a corpus of observations, refusing identifiers that mean two structures.

    Raises:
        UserError: No observation is usable, or one identifier has two structures.
    """
    smiles = list(dict.fromkeys(observation.smiles for observation in observations))
    known = dict(zip(smiles, identities(smiles, scaffolds, workers), strict=True))
    usable = [observation for observation in observations if not known[observation.smiles].reason]
    unreadable = {
        (observation.line, observation.smiles): Rejected(
            "molecule", observation.line, observation.smiles, known[observation.smiles].reason
        )
        for observation in observations
        if known[observation.smiles].reason
    }
    rejected = [*rejected, *unreadable.values()]
    if not usable:
        first = f"; the first: line {rejected[0].line}, {rejected[0].reason}" if rejected else ""
        raise UserError(f"{name} has no usable molecule ({len(rejected)} rejected{first}); check the column of SMILES.")
    found = [known[observation.smiles] for observation in usable]
    _refuse_conflicts(name, usable, found)
    groups = groups_of([identity.canonical for identity in found], [observation.text for observation in usable])
    return Corpus(
        name=name,
        columns={
            "molecule": _column([observation.smiles for observation in usable], [o.line for o in usable]),
            "text": _column([observation.text for observation in usable], [o.text_line for o in usable]),
        },
        ids=[observation.id for observation in usable],
        group=groups,
        split=np.array(splitter(usable, found, groups), np.str_),
        facts=dict(facts or {}),
        weight=np.array([observation.weight for observation in usable], np.float64),
        rejected=rejected,
    )


def listed_texts(cell: Any) -> list[str]:
    """The distinct texts of a cell: a list, a JSON list, or one text; blank ones left out."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            parsed = json.loads(cell)
        except (ValueError, RecursionError):
            parsed = cell
        cell = parsed
    values = cell if isinstance(cell, (list, tuple)) else [cell]
    return list(dict.fromkeys(text for value in values if value is not None and (text := str(value).strip())))


def _column(items: Sequence[str], lines: Sequence[int]) -> Column:
    """Distinct items in order of appearance; an empty one is absent."""
    position: dict[str, int] = {}
    first_line: list[int] = []
    index = np.full(len(items), -1, np.int64)
    for row, (item, line) in enumerate(zip(items, lines, strict=True)):
        if item:
            if item not in position:
                position[item] = len(position)
                first_line.append(line)
            index[row] = position[item]
    return Column(items=list(position), item=index, lines=first_line)


def _refuse_conflicts(name: str, observations: Sequence[Observation], found: Sequence[Identity]) -> None:
    seen: dict[str, tuple[str, int]] = {}
    for observation, identity in zip(observations, found, strict=True):
        canonical, line = seen.setdefault(observation.id, (identity.canonical, observation.line))
        if canonical != identity.canonical:
            raise UserError(
                f"{name} gives the identifier {observation.id!r} two structures, on lines {line} and "
                f"{observation.line}; give them different identifiers or name another id column."
            )
