"""The split that a reader's settings ask for, as `observations.assemble_corpus` takes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossmod.sources.splits import check_fractions, random_split
from crossmod_molecule.identities import Identity
from crossmod_molecule.observations import Observation, Splitter, stated_split
from crossmod_molecule.splits import scaffold_split


def splitter(split_by: str, fractions: Sequence[float], seed: int) -> Splitter:
    """The rule by its name: "scaffold", "random" or "column".

    Raises:
        UserError: The fractions are no shares.
    """
    if split_by == "column":
        return stated_split
    check_fractions(fractions)

    def by_scaffold(
        observations: Sequence[Observation], found: Sequence[Identity], groups: npt.NDArray[np.int64]
    ) -> list[str]:
        structures = {identity.canonical: identity.scaffold for identity in found}
        split = dict(zip(structures, scaffold_split(list(structures.values()), fractions), strict=True))
        return [split[identity.canonical] for identity in found]

    def at_random(
        observations: Sequence[Observation], found: Sequence[Identity], groups: npt.NDArray[np.int64]
    ) -> list[str]:
        # A group is called by its first structure in the alphabet, so that the order of rows does not matter.
        names: dict[int, str] = {}
        for group, identity in zip(groups.tolist(), found, strict=True):
            names[group] = min(names.get(group, identity.canonical), identity.canonical)
        return random_split([names[group] for group in groups.tolist()], fractions, seed)

    return by_scaffold if split_by == "scaffold" else at_random
