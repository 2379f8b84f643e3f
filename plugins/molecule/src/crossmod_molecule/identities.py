"""Canonical SMILES and scaffolds of many structures, over several processes where that pays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from crossmod.workers import map_chunks
from crossmod_molecule.structures import UnusableStructure, parse_smiles, silent_rdkit

CHUNK = 1000
SMALLEST_FOR_WORKERS = 4000
"""Structures below which starting a process costs more than it saves."""


class Identity(NamedTuple):
    """What a structure is: equal `canonical` means equal structure; `reason` says why there is none."""

    canonical: str
    scaffold: str = ""
    reason: str = ""


def identities(smiles: Sequence[str], scaffolds: bool, workers: int) -> list[Identity]:
    """The identity of every text, in order.

    Args:
        smiles: SMILES texts.
        scaffolds: Also derive the Bemis-Murcko scaffold (J. Med. Chem. 1996, 39, 2887), stereo left out.
        workers: Processes; 0 or a short list stays in this one.

    Raises:
        UserError: A worker process died.
    """
    read = partial(identify, scaffolds=scaffolds)
    chunks = map_chunks(read, smiles, chunk=CHUNK, workers=workers, smallest=SMALLEST_FOR_WORKERS, what="structures")
    return [identity for chunk in chunks for identity in chunk]


def identify(smiles: Sequence[str], scaffolds: bool) -> list[Identity]:
    """The identity of every text, in this process."""
    return [_identity(text, scaffolds) for text in smiles]


def _identity(smiles: str, scaffold: bool) -> Identity:
    try:
        molecule = parse_smiles(smiles)
    except UnusableStructure as error:
        return Identity("", reason=str(error))
    canonical = silent_rdkit().MolToSmiles(molecule)
    if not scaffold:
        return Identity(canonical)
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    try:
        scaffold_smiles: Any = MurckoScaffoldSmiles
        return Identity(canonical, scaffold_smiles(mol=molecule, includeChirality=False))
    except (ValueError, RuntimeError) as error:
        return Identity("", reason=f"no scaffold can be derived: {str(error).strip().splitlines()[0]}")
