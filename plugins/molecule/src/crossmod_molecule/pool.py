"""Canonical SMILES and scaffolds of many structures, over several processes where that pays."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from crossmod.errors import UserError
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
    if workers < 1 or len(smiles) < SMALLEST_FOR_WORKERS:
        return identify(smiles, scaffolds)
    chunks = [list(smiles[start : start + CHUNK]) for start in range(0, len(smiles), CHUNK)]
    # Forking a process that runs torch or Arrow threads can hang, so the workers start afresh.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=context) as pool:
            parts = list(pool.map(identify, chunks, [scaffolds] * len(chunks)))
    except BrokenProcessPool:
        raise UserError(
            f"a worker process that read {len(smiles):,} structures was ended from outside, most often for want of "
            "memory; try `--data.workers 0`, which reads them in this process."
        ) from None
    return [identity for part in parts for identity in part]


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
