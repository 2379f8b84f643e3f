"""A user's own table: columns, texts, splits, and every way to get it wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crossmod.errors import UserError
from crossmod_molecule.data import MoleculeTable

HEADER = "cid\tsmiles\tname\tdescription\tpart"


def table(folder: Path, *rows: str, header: str = HEADER, name: str = "own.tsv") -> str:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_columns_lists_and_split_column_are_read(tmp_path: Path) -> None:
    names = json.dumps(["ethanol", "alcohol"])
    path = table(tmp_path, f"1\tCCO\t{names}\tA liquid.\ttrain", "2\tC\t[]\tA gas.\tval", "3\tN\t\t\t")
    corpus = MoleculeTable(
        path=path, id="cid", text=["name", "description"], split_by="column", split_column="part"
    ).build()
    text = corpus.columns["text"]
    rows = [(corpus.ids[i], text.items[text.item[i]] if text.item[i] >= 0 else None) for i in range(len(corpus))]
    assert sorted(rows, key=str) == sorted(
        [("1", "ethanol"), ("1", "alcohol"), ("1", "A liquid."), ("2", "A gas."), ("3", None)], key=str
    )
    assert dict(zip(corpus.ids, corpus.split.tolist(), strict=True)) == {"1": "train", "2": "validation", "3": ""}
    assert corpus.columns["molecule"].lines == [2, 3, 4]


def test_the_order_of_texts_is_that_of_the_source(tmp_path: Path) -> None:
    path = table(tmp_path, '1\tC\t["b", "a", "c"]\td\t')
    assert MoleculeTable(path=path, text=["name", "description"]).build().columns["text"].items == ["b", "a", "c", "d"]


def test_rows_without_identifiers_are_numbered(tmp_path: Path) -> None:
    corpus = MoleculeTable(path=table(tmp_path, "1\tC\ta\tx\t", "2\tN\tb\ty\t")).build()
    assert corpus.ids == ["row-1", "row-2"]


def test_scaffold_split_separates_scaffolds_and_random_split_groups(tmp_path: Path) -> None:
    rows = [f"{i}\t{'C' * (1 + i % 9)}{'c1ccccc1' if i % 2 else 'C1CCCC1'}\tn\ttext {i}\t" for i in range(60)]
    rows += [f"x{i}\tC1C{'C' * i}C1\tn\tring {i}\t" for i in range(40)]
    path = table(tmp_path, *rows)
    by_scaffold = MoleculeTable(path=path).build()
    aromatic = [
        row
        for row, item in enumerate(by_scaffold.columns["molecule"].item)
        if "c1" in by_scaffold.columns["molecule"].items[item]
    ]
    assert len({by_scaffold.split[row] for row in aromatic}) == 1
    assert set(by_scaffold.split.tolist()) == {"train", "validation", "test"}
    at_random = MoleculeTable(path=path, split_by="random", split_seed=3).build()
    split_of: dict[int, set[str]] = {}
    for group, split in zip(at_random.group.tolist(), at_random.split.tolist(), strict=True):
        split_of.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in split_of.values())
    assert len(Counter(at_random.split.tolist())) == 3
    assert not np.array_equal(at_random.split, MoleculeTable(path=path, split_by="random", split_seed=4).build().split)


def test_text_tables_are_joined_by_identifier(tmp_path: Path) -> None:
    path = table(tmp_path, "1\tC", "2\tN", header="cid\tsmiles")
    more = table(tmp_path, "1\tgas", "1\tfuel", "9\tlost", header="cid\tdescription", name="more.tsv")
    corpus = MoleculeTable(path=path, id="cid", text_tables=[more]).build()
    assert corpus.columns["text"].items == ["gas", "fuel"]
    assert corpus.columns["text"].lines == [2, 3]
    assert corpus.ids == ["1", "1", "2"]
    assert corpus.facts["identifiers of text tables without a molecule"] == "1"
    with pytest.raises(UserError, match=r"--data\.id"):
        MoleculeTable(path=path, text_tables=[more]).build()


def test_unusable_rows_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    path = table(tmp_path, "1\tC\ta\tx\t", "2\tbad\tb\ty\t", "3\t\tc\tz\t", "ragged", "4\tN\td\tw\t")
    corpus = MoleculeTable(path=path, id="cid").build()
    assert {found.line: found.reason for found in corpus.rejected} == {
        3: "RDKit cannot read it as SMILES",
        4: "the cell of 'smiles' is empty",
        5: "the row has 1 cells where the header has 5",
    }
    assert corpus.ids == ["1", "4"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"smiles": "SMILES"}, "did you mean 'smiles'"),
        ({"text": "descripton"}, "did you mean 'description'"),
        ({"id": "CID"}, "did you mean 'cid'"),
        ({"split_by": "column"}, "no column 'split'"),
        ({"split_by": "column", "split_column": "name"}, "line 2 of .* has the split 'a'"),
        ({"fractions": (0.5, 0.1, 0.1)}, "give the shares"),
    ],
)
def test_settings_that_do_not_fit_the_table_are_refused(
    tmp_path: Path, options: dict[str, object], reason: str
) -> None:
    path = table(tmp_path, "1\tC\ta\tx\ttrain")
    with pytest.raises(UserError, match=reason):
        MoleculeTable(path=path, **options).build()


def test_conflicting_identifiers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'1' two structures, on lines 2 and 3"):
        MoleculeTable(path=table(tmp_path, "1\tC\ta\tx\t", "1\tN\tb\ty\t"), id="cid").build()
