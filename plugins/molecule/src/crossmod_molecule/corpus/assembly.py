"""Makes the default corpus: the molecules that RDKit ships, with texts generated from their measured chemistry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmod.contracts.corpus import Column, Corpus, Label, Rejected
from crossmod.sources.draw import Draw
from crossmod.sources.groups import groups_of
from crossmod.sources.splits import random_split
from crossmod.workers import map_chunks
from crossmod_molecule.corpus.embedded import EmbeddedMolecules
from crossmod_molecule.corpus.labels import group_prompts
from crossmod_molecule.corpus.nouns import ELEMENTS
from crossmod_molecule.corpus.sources import SHIPPED, Found, rdkit_folder, read_shipped
from crossmod_molecule.splits import scaffold_split
from crossmod_molecule.structures import UnusableStructure, canonical_smiles, parse_smiles

if TYPE_CHECKING:
    from crossmod_molecule.corpus.chemistry import Chemistry

FEWEST_HEAVY_ATOMS, MOST_HEAVY_ATOMS = 4, 80
"""Smaller molecules have too little to tell, larger ones too much for one sentence."""


LABELLED = (
    "carboxylic acid",
    "ester",
    "secondary amide",
    "tertiary amide",
    "sulfonamide",
    "nitro",
    "nitrile",
    "ketone",
    "phenol",
    "methoxy",
    "tertiary aliphatic amine",
    "primary aromatic amine",
    "trifluoromethyl",
    "aryl fluoride",
    "aryl chloride",
    "aryl bromide",
)
"""Functional groups that zero-shot and probes ask for: each occurs in hundreds of the molecules."""

CHUNK = 250
"""Molecules that a worker describes at a time; each takes about two milliseconds."""

FRACTIONS = (0.8, 0.1, 0.1)
"""Shares of train, validation and test (MoleculeNet, arXiv:1703.00564)."""


@dataclass(frozen=True)
class Described:
    """What became of one SMILES of a file.

    Args:
        smiles: Canonical; empty where RDKit refuses the molecule or the selection leaves it out.
        texts: The generated texts.
        scaffold: Murcko's.
        groups: The functional groups it has, among `LABELLED`.
        refused: Why RDKit refuses the molecule; empty where it does not.
    """

    smiles: str = ""
    texts: tuple[str, ...] = ()
    scaffold: str = ""
    groups: frozenset[str] = frozenset()
    refused: str = ""


class Assembly:
    """Makes the corpus that the settings ask for.

    Args:
        settings: How many molecules and texts, which split, which seed.
    """

    def __init__(self, settings: EmbeddedMolecules) -> None:
        self.settings = settings

    def corpus(self) -> Corpus:
        """Read, select, measure and describe the molecules, and lay them out."""
        found, rejected = read_shipped(rdkit_folder())
        if self.settings.limit:
            found = sorted(found, key=lambda item: Draw(item.smiles, self.settings.seed, "limit").below(1 << 48))
        chosen: dict[str, tuple[Found, Described]] = {}
        counts = {"read": 0, "duplicates": 0, "outside_selection": 0}
        # With a limit, a little more than is wanted is read at a time, for some will be duplicates.
        step = self.settings.limit + self.settings.limit // 8 + 16 if self.settings.limit else max(1, len(found))
        for start in range(0, len(found), step):
            if not self.settings.limit or len(chosen) < self.settings.limit:
                self._read(found[start : start + step], chosen, rejected, counts)
        return self._corpus(chosen, rejected, counts)

    def _read(
        self,
        found: Sequence[Found],
        chosen: dict[str, tuple[Found, Described]],
        rejected: list[Rejected],
        counts: dict[str, int],
    ) -> None:
        """Describe molecules and add them to `chosen`: distinct by canonical SMILES, first come first kept."""
        describe = partial(describe_all, texts=self.settings.texts, seed=self.settings.seed)
        smiles = [item.smiles for item in found]
        chunks = map_chunks(
            describe,
            smiles,
            chunk=CHUNK,
            workers=self.settings.workers,
            smallest=2 * CHUNK,
            what="the shipped molecules",
        )
        outcomes = [outcome for chunk in chunks for outcome in chunk]
        for item, outcome in zip(found, outcomes, strict=True):
            if self.settings.limit and len(chosen) >= self.settings.limit:
                return
            counts["read"] += 1
            if outcome.refused:
                rejected.append(Rejected("molecule", item.line, item.smiles, f"{item.place}: {outcome.refused}"))
            elif not outcome.smiles:
                counts["outside_selection"] += 1
            elif outcome.smiles in chosen:
                counts["duplicates"] += 1
            else:
                chosen[outcome.smiles] = (item, outcome)

    def _corpus(
        self,
        chosen: dict[str, tuple[Found, Described]],
        rejected: list[Rejected],
        counts: dict[str, int],
    ) -> Corpus:
        """Lay molecules and texts out as rows, one a text."""
        smiles = list(chosen)
        described = [outcome for _, outcome in chosen.values()]
        lines = [item.line for item, _ in chosen.values()]
        molecule = np.repeat(np.arange(len(smiles)), [len(item.texts) for item in described])
        distinct = list(dict.fromkeys(text for item in described for text in item.texts))
        texts = {text: number for number, text in enumerate(distinct)}
        text = np.array([texts[text] for item in described for text in item.texts], dtype=np.int64)
        # A text that two molecules share is true of both: neither is the other's negative, and both train or test.
        group = groups_of([smiles[i] for i in molecule], [distinct[i] for i in text])
        first = np.unique(molecule, return_index=True)[1]
        if self.settings.split_by == "scaffold":
            blocks = groups_of([described[i].scaffold for i in molecule], [distinct[i] for i in text])[first]
            split = scaffold_split(_block_names(blocks.tolist(), [item.scaffold for item in described]), FRACTIONS)
        else:
            split = random_split(_block_names(group[first].tolist(), smiles), FRACTIONS, self.settings.seed)
        return Corpus(
            name="RDKit molecules with generated texts",
            columns={
                "molecule": Column(smiles, molecule.astype(np.int64), lines),
                "text": Column(distinct, text),
            },
            ids=[smiles[i] for i in molecule],
            group=group,
            split=np.array(split, np.str_)[molecule],
            facts=self._facts(len(smiles), len(distinct), counts),
            rejected=tuple(rejected),
            labels=_labels([item.groups for item in described], molecule),
        )

    def _facts(self, molecules: int, texts: int, counts: dict[str, int]) -> dict[str, Any]:
        import rdkit

        return {
            "source": "molecules shipped in the RDKit wheel",
            # Canonical SMILES, which seed the texts, are RDKit's own and may change with its version.
            "rdkit": rdkit.__version__,
            "files": {file.path: file.origin for file in SHIPPED},
            "licence": "BSD-3-Clause (RDKit, with the data files it distributes)",
            "texts": "generated from measured chemistry by templates; no person wrote or checked them",
            "molecules": molecules,
            "distinct_texts": texts,
            "texts_per_molecule": self.settings.texts,
            "split": f"by {self.settings.split_by}, 80/10/10 of the molecules",
            "selection": (
                f"{FEWEST_HEAVY_ATOMS} to {MOST_HEAVY_ATOMS} heavy atoms, at least one carbon, "
                f"no elements besides {', '.join(sorted(ELEMENTS))} and hydrogen"
            ),
            **counts,
        }


def _labels(groups: Sequence[frozenset[str]], molecule: npt.NDArray[np.int64]) -> dict[str, Label]:
    """One label a common functional group: whether the molecule of each row has it."""
    labels = {}
    for name in LABELLED:
        present, missing = group_prompts(name)
        values = np.array([float(name in own) for own in groups])[molecule]
        labels[name] = Label(values, "molecule", ("absent", "present"), {"absent": missing, "present": present})
    return labels


def _block_names(blocks: Sequence[int], names: Sequence[str]) -> list[str]:
    """Each block under the first of its names in the alphabet, so that the order of the molecules does not matter."""
    first: dict[int, str] = {}
    for block, name in zip(blocks, names, strict=True):
        first[block] = min(first.get(block, name), name)
    return [first[block] for block in blocks]


def _selected(chemistry: Chemistry) -> bool:
    elements = dict(chemistry.elements)
    within = FEWEST_HEAVY_ATOMS <= chemistry.heavy_atoms <= MOST_HEAVY_ATOMS
    return within and "C" in elements and elements.keys() <= ELEMENTS.keys()


def describe_all(smiles: Sequence[str], *, texts: int, seed: int) -> list[Described]:
    """Canonicalise, select, measure and describe molecules."""
    from crossmod_molecule.corpus.chemistry import measure, murcko_scaffold
    from crossmod_molecule.corpus.wording import describe

    outcomes = []
    for text in smiles:
        try:
            canonical = canonical_smiles(text)
            # Measured on the molecule that the canonical text gives, so that no file's order of atoms matters.
            molecule = parse_smiles(canonical)
        except UnusableStructure as error:
            outcomes.append(Described(refused=str(error)))
            continue
        chemistry = measure(molecule)
        if not _selected(chemistry):
            outcomes.append(Described())
            continue
        generated = describe(chemistry, canonical, texts, seed)
        written = tuple(item.text for item in generated)
        groups = frozenset(name for name, _ in chemistry.groups if name in LABELLED)
        outcomes.append(Described(canonical, written, murcko_scaffold(molecule), groups))
    return outcomes
