"""ChEBI-20: both layouts, and no text of a test molecule in training, ever."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_molecule.data import Chebi20

MOLECULES = {  # cid: SMILES and published split
    "1": ("CCO", "train"),
    "2": ("CO", "train"),
    "3": ("C", "validation"),
    "4": ("N", "validation"),
    "5": ("O", "test"),
    "6": ("*", "test"),
    "7": ("S", "train"),
}


def write(folder: Path, name: str, header: str, rows: list[str]) -> None:
    (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(("\n".join([header, *rows]) + "\n").encode()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path, "molecules", "cid\tsmiles\tsplit", [f"{cid}\t{s}\t{split}" for cid, (s, split) in MOLECULES.items()]
    )
    named = [f"{cid}\tCHEBI:{cid}\tname {cid}\t{json.dumps([f'synonym {cid}', f'name {cid}'])}" for cid in "123456"]
    write(tmp_path, "names", "cid\tchebi_id\tname\tsynonyms", named)
    write(tmp_path, "train_part", "cid\tdescription", ["1\tThe molecule is 1."])
    both = "cid\tdescription\tdescription_named"
    write(tmp_path, "validation", both, ["3\tThe molecule is 3.\tThree is 3.", "4\tThe molecule is 4.\tFour is 4."])
    write(tmp_path, "test", both, ["5\tThe molecule is 5.\tFive is 5.", "6\t\tSix is 6."])
    return tmp_path


def told(corpus: Corpus) -> dict[str, set[tuple[str, str]]]:
    """By split, the identifier and text of every row."""
    text = corpus.columns["text"]
    rows: dict[str, set[tuple[str, str]]] = {}
    for row, split in enumerate(corpus.split.tolist()):
        position = int(text.item[row])
        rows.setdefault(split, set()).add((corpus.ids[row], text.items[position] if position >= 0 else ""))
    return rows


def test_names_and_descriptions_train_and_test_molecules_do_not(root: Path) -> None:
    found = told(Chebi20(root=str(root), held_back=1).build())
    names = {(cid, f"{kind} {cid}") for cid in "12" for kind in ("name", "synonym")}
    held = set(found["validation"])
    assert len(held) == 1
    assert found["train"] == names | {("1", "The molecule is 1.")} | (
        {("3", "The molecule is 3."), ("4", "The molecule is 4.")} - held
    )
    assert found["test"] == {("5", "The molecule is 5.")}
    assert found[""] == {("6", ""), ("7", "")}


@pytest.mark.parametrize("texts", ["names", "descriptions", "both"])
@pytest.mark.parametrize("form", ["description", "description_named"])
@pytest.mark.parametrize("held_back", [0, 1, 2])
def test_no_text_of_a_test_molecule_trains(root: Path, texts: str, form: str, held_back: int) -> None:
    corpus = Chebi20(root=str(root), texts=texts, description_form=form, held_back=held_back).build()
    found = told(corpus)
    published = {cid for cid, (_, split) in MOLECULES.items() if split == "test"}
    assert not {cid for cid, _ in found.get("train", set())} & published
    assert len(found.get("validation", ())) == held_back
    assert set(corpus.columns["molecule"].items) == {smiles for smiles, _ in MOLECULES.values()}


def test_a_test_row_that_strays_into_a_training_table_is_left_out(root: Path) -> None:
    write(root, "train_part", "cid\tdescription", ["1\tThe molecule is 1.", "5\tThe molecule is five."])
    write(root, "validation", "cid\tdescription", ["3\tThe molecule is 3.", "5\tThe molecule is also five."])
    found = told(Chebi20(root=str(root), texts="descriptions", held_back=0).build())
    assert found["train"] == {("1", "The molecule is 1."), ("3", "The molecule is 3.")}


def test_the_named_form_is_not_mixed_with_the_other(root: Path) -> None:
    found = told(
        Chebi20(root=str(root), texts="descriptions", description_form="description_named", held_back=0).build()
    )
    assert found["train"] == {("3", "Three is 3."), ("4", "Four is 4.")}
    assert found["test"] == {("5", "Five is 5."), ("6", "Six is 6.")}


def test_candidates_may_be_left_out(root: Path) -> None:
    corpus = Chebi20(root=str(root), texts="descriptions", candidates=False).build()
    assert set(corpus.ids) == {"1", "3", "4", "5"}


def test_a_text_of_an_unknown_molecule_is_an_error(root: Path) -> None:
    write(root, "train_part", "cid\tdescription", ["99\tThe molecule is lost."])
    with pytest.raises(UserError, match="line 2 of .*cid '99'"):
        Chebi20(root=str(root)).build()


def test_molt5s_files_are_read_with_single_backslashes(tmp_path: Path) -> None:
    for split, cid, smiles in (("train", "1", "F/C=C\\\\F"), ("validation", "2", "C"), ("test", "3", "N")):
        (tmp_path / f"{split}.txt").write_text(f"CID\tSMILES\tdescription\n{cid}\t{smiles}\tThe molecule is {cid}.\n")
    corpus = Chebi20(root=str(tmp_path), texts="descriptions").build()
    assert corpus.columns["molecule"].items == ["F/C=C\\F", "C", "N"]
    assert corpus.split.tolist() == ["train", "validation", "test"]
    with pytest.raises(UserError, match="descriptions only"):
        Chebi20(root=str(tmp_path), texts="names").build()


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds neither"):
        Chebi20(root=str(tmp_path)).build()


def test_the_real_tables_give_the_published_counts(real_data: Path) -> None:
    corpus = Chebi20(root=str(real_data / "chebi20"), texts="descriptions", candidates=False).build()
    assert Counter(corpus.split.tolist()) == {"train": 1426 + 3301 - 500, "validation": 500, "test": 3300}
    assert not corpus.rejected
    training = {corpus.ids[row] for row in corpus.rows("train")}
    assert not training & {corpus.ids[row] for row in corpus.rows("test")}
