"""The molecules that the RDKit wheel ships, read from the files where it keeps them.

Each listed file is byte for byte the same in the wheels of 2024.3.1, 2024.9.6, 2025.9.1 and 2026.9.1.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError


@dataclass(frozen=True)
class Shipped:
    """One file of the wheel: where it is, how its fields are parted, which field holds the SMILES.

    Args:
        path: Below the folder of the `rdkit` package.
        separator: Between fields; empty for any white space.
        field: Index of the SMILES among the fields.
        header: Lines before the first molecule, besides those that begin with #.
        origin: Where the molecules came from, for the model card.
    """

    path: str
    separator: str
    field: int
    header: int
    origin: str


SHIPPED = (
    Shipped("Data/NCI/first_5K.smi", "", 0, 0, "NCI open database, first 5,000"),
    Shipped("Data/Pains/test_data/wehi_mols.csv", ",", 0, 0, "WEHI screening collection (doi:10.1002/minf.201100076)"),
    Shipped("Data/Pains/test_data/test_set3.txt", "\t", 2, 0, "PAINS examples from ChEMBL, WEHI, ZINC and PubChem"),
    Shipped("Contrib/FreeWilson/data/CHEMBL2321810.smi", "", 0, 0, "ChEMBL document CHEMBL2321810"),
    Shipped("Contrib/fraggle/data/ChEMBL_11265_actives.smi", "", 0, 0, "ChEMBL actives of target 11265"),
    Shipped("Contrib/SA_Score/data/zim.100.txt", "\t", 0, 1, "ZINC, 100 molecules"),
    Shipped("Contrib/Fastcluster/cdk2.smi", "", 1, 0, "CDK2 ligands from ZINC"),
    Shipped("Chem/nbtests/ChEMBL_quinolones.tsv", "\t", -1, 1, "ChEMBL quinolones"),
)
"""The files, in the order in which a molecule that occurs twice is kept."""


@dataclass(frozen=True)
class Found:
    """A molecule as a file has it: `path:line` for messages, and the text of its SMILES."""

    place: str
    line: int
    smiles: str


def rdkit_folder() -> Path:
    """The folder of the installed `rdkit` package."""
    import rdkit

    return Path(rdkit.__file__).parent


def read_shipped(folder: Path, files: tuple[Shipped, ...] = SHIPPED) -> tuple[list[Found], list[Rejected]]:
    """Every molecule of the files, in order, and the lines that hold none.

    Raises:
        UserError: The wheel lacks one of the files.
    """
    found: list[Found] = []
    rejected: list[Rejected] = []
    for file in files:
        path = folder / file.path
        if not path.is_file():
            raise UserError(
                f"The embedded corpus reads {file.path} from RDKit's own data, and {folder} has no such file; "
                "install the RDKit wheel from PyPI (pip install --force-reinstall 'rdkit>=2024.3.1')."
            )
        with path.open(encoding="utf-8", errors="replace", newline="") as lines:
            if file.separator == ",":
                rows = enumerate(csv.reader(lines), 1)
            else:
                rows = enumerate((line.rstrip("\r\n").split(file.separator or None) for line in lines), 1)
            for number, fields in rows:
                if number <= file.header or not fields or fields[0].startswith("#"):
                    continue
                try:
                    found.append(Found(f"{file.path}:{number}", number, fields[file.field].strip('"')))
                except IndexError:
                    rejected.append(Rejected("molecule", number, "\t".join(fields), f"{file.path}: too few fields"))
    return found, rejected
