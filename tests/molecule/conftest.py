"""Molecules that the tests share: those that RDKit ships, and those that are awkward."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

AWKWARD = [
    "[Na+]",
    "*",
    "[H][H]",
    "[13CH3]*",
    "[Na+].[Cl-]",
    "[O-][N+](=O)c1ccccc1",
    "CN(=O)=O",
    "[CH3]",
    "C[CH]C",
    "[O][O]",
    "[Co@OH12](N)(N)(N)(N)(N)N",
    "N->[Zn+2]<-N",
    "C[Mg]C",
    "[Fe+2].[CH-]1C=CC=C1.[CH-]1C=CC=C1",
    "F/C=C/F",
    "F/C=C\\F",
    "FC=CF",
    "C/C=C/C=C\\C",
    "CC(C)=C=C(C)C",
    "C[C@H](N)C(=O)O",
    "N[C@@H]([C@H](C)O)C(=O)O",
    "C[S@](=O)CC",
    "FS(F)(F)(F)(F)F",
    "FP(F)(F)(F)F",
    "C#N",
    "[C-]#[O+]",
    "[Al+3]",
    "[C+4]",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "c1cc2ccc3cccc4ccc(c1)c2c34",
    "O=c1cc[nH]cc1",
    "C[n+]1ccccc1",
    "[B-](F)(F)(F)F",
    "OB(O)c1ccccc1",
    "C1CC12CC2",
    "[U]",
    "C$C",
    "C~C",
    "CC |(0,0,;1,0,)|",
    "C(C)(C)(C)C" + "C" * 300,
    "C1=CC=CC=CC=C1",
    "N#N",
    "[N-]=[N+]=NC",
    "S(=O)(=O)(O)O",
    "[Xe](F)F",
    "I(=O)(=O)O",
    "C1=CN=CN1.[Cu+2]",
]


@pytest.fixture(scope="session")
def awkward() -> list[str]:
    """Charges, radicals, stereo of every kind, metals, odd bonds, single atoms, and one long chain."""
    return AWKWARD


@pytest.fixture(scope="session")
def cancer_institute() -> list[str]:
    """The first 2,000 readable molecules of the NCI file that comes with RDKit."""
    from rdkit import RDConfig

    from crossmod_molecule.structures import UnusableStructure, parse_smiles

    found: list[str] = []
    with (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").open() as lines:
        for line in lines:
            if len(found) < 2000 and line.strip():
                try:
                    parse_smiles(line.split()[0])
                except UnusableStructure:
                    continue
                found.append(line.split()[0])
    return found


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real molecule data; tests that need it say so where it is absent."""
    root = Path(os.environ.get("CROSSMOD_DATA", Path(__file__).parents[3] / "shared" / "data")) / "molecule"
    if not root.is_dir():
        pytest.skip("real molecule data is not here; set CROSSMOD_DATA to the folder that holds molecule/")
    return root
