"""SD files: records, properties, titles, and records that cannot be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from rdkit import Chem

from crossmod.errors import UserError
from crossmod_molecule.data import StructureFile

RECORDS = [("CCO", "ethanol", {"code": "a1", "description": "A liquid."}), ("C[C@H](N)O", "", {"code": "a2"})]


def written(folder: Path, records: list[tuple[str, str, dict[str, str]]] = RECORDS, name: str = "own.sdf") -> Path:
    blocks = []
    for smiles, title, properties in records:
        molecule = Chem.MolFromSmiles(smiles)
        molecule.SetProp("_Name", title)
        fields = "".join(f"> <{key}>\n{value}\n\n" for key, value in properties.items())
        blocks.append(Chem.MolToMolBlock(molecule) + fields + "$$$$\n")
    path = folder / name
    data = "".join(blocks).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["own.sdf", "own.sd", "own.sdf.gz"])
def test_records_are_molecules_and_properties_texts(tmp_path: Path, name: str) -> None:
    corpus = StructureFile(path=str(written(tmp_path, name=name))).build()
    assert corpus.ids == ["ethanol", "row-2"]
    assert corpus.columns["text"].items == ["A liquid."]
    assert corpus.columns["text"].item.tolist() == [0, -1]
    assert Chem.MolFromSmiles(corpus.columns["molecule"].items[0]).GetNumAtoms() == 3


def test_a_file_without_ends_of_record_is_refused_early(tmp_path: Path) -> None:
    path = tmp_path / "endless.sdf"
    path.write_bytes((b"x" * 1000 + b"\n") * 20_000)
    with pytest.raises(UserError, match="no end of record"):
        StructureFile(path=str(path)).build()


def test_a_foreign_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, [("C", "m", {"description": "ZZZ"})])
    path.write_bytes(path.read_bytes().replace(b"ZZZ", b"\xe9t\xe9"))
    with pytest.raises(UserError, match=r"line \d+ of .* not UTF-8"):
        StructureFile(path=str(path)).build()


def test_a_named_property_identifies(tmp_path: Path) -> None:
    assert StructureFile(path=str(written(tmp_path)), id="code").build().ids == ["a1", "a2"]


def test_titles_that_a_program_wrote_on_every_record_identify_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [("C", "Drawn", {"description": "x"}), ("N", "Drawn", {"description": "y"})])
    assert StructureFile(path=str(path)).build().ids == ["row-1", "row-2"]


def test_a_broken_record_is_rejected_by_number_and_the_rest_read(tmp_path: Path) -> None:
    path = written(tmp_path, [*RECORDS, ("N", "ammonia", {"description": "A gas."})])
    blocks = path.read_text().split("$$$$\n")
    blocks[1] = blocks[1].replace("V2000", "V9999")
    path.write_text("$$$$\n".join(blocks))
    corpus = StructureFile(path=str(path)).build()
    assert corpus.ids == ["ethanol", "ammonia"]
    assert [(found.line, found.item) for found in corpus.rejected] == [(2, "record 2")]


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"text": "notes"}, "property 'notes'; its properties are code, description"), ({"id": "cas"}, "property 'cas'")],
)
def test_a_property_that_no_record_has_is_refused(tmp_path: Path, options: dict[str, str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        StructureFile(path=str(written(tmp_path)), **options).build()


def test_files_that_are_no_structures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.sdf").write_bytes(b"")
    (tmp_path / "t.csv").write_bytes(b"a,b\n")
    (tmp_path / "bad.sdf.gz").write_bytes(b"not gzip")
    for name, reason in {
        "empty.sdf": "is empty",
        "t.csv": "not named as an SD file",
        "gone.sdf": "not a file",
        "bad.sdf.gz": "not a whole gzip file",
    }.items():
        with pytest.raises(UserError, match=reason):
            StructureFile(path=str(tmp_path / name)).build()
