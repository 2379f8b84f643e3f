from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crossmod.contracts.corpus import SPLITS, Corpus
from crossmod.errors import UserError
from crossmod_molecule.corpus import assembly
from crossmod_molecule.corpus.assembly import Described, describe_all
from crossmod_molecule.corpus.chemistry import murcko_scaffold
from crossmod_molecule.corpus.embedded import EmbeddedMolecules
from crossmod_molecule.corpus.labels import functional_group_labels
from crossmod_molecule.corpus.sources import Found
from crossmod_molecule.structures import canonical_smiles, parse_smiles

SMALL = EmbeddedMolecules(limit=400, texts=3, workers=0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return SMALL.build()


def test_rows_molecules_and_texts(corpus: Corpus) -> None:
    molecules, texts = corpus.columns["molecule"], corpus.columns["text"]
    assert len(corpus) == 1200 == len(molecules.item) == len(texts.item)
    assert len(molecules.items) == len(set(molecules.items)) == 400
    assert len(texts.items) == len(set(texts.items)) == corpus.facts["distinct_texts"]
    assert all(canonical_smiles(smiles) == smiles for smiles in molecules.items)
    assert corpus.ids == [molecules.items[i] for i in molecules.item]


def test_molecules_of_equal_number_share_a_group(corpus: Corpus) -> None:
    for column in corpus.columns.values():
        for item in range(len(column.items)):
            assert len(set(corpus.group[column.item == item])) == 1


def test_split_by_scaffold_is_disjoint(corpus: Corpus) -> None:
    sides: dict[str, set[str]] = {}
    for smiles, split in zip(corpus.ids, corpus.split.tolist(), strict=True):
        sides.setdefault(murcko_scaffold(parse_smiles(smiles)), set()).add(split)
    assert all(len(side) == 1 for side in sides.values())
    shares = [len(corpus.rows(split)) / len(corpus) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_random_split_keeps_molecules_whole() -> None:
    corpus = replace(SMALL, limit=100, split_by="random").build()
    sides: dict[str, set[str]] = {}
    for smiles, split in zip(corpus.ids, corpus.split.tolist(), strict=True):
        sides.setdefault(smiles, set()).add(split)
    assert all(len(side) == 1 for side in sides.values())
    assert [len(corpus.rows(split)) for split in SPLITS] == [240, 30, 30]


def test_a_corpus_says_that_its_texts_are_generated(corpus: Corpus) -> None:
    assert corpus.facts["texts"].startswith("generated")
    assert corpus.facts["licence"].startswith("BSD-3")
    assert corpus.facts["molecules"] == 400


def test_the_order_of_the_files_does_not_matter_to_a_molecule(monkeypatch: pytest.MonkeyPatch) -> None:
    def texts(smiles: list[str]) -> tuple[dict[str, set[str]], dict[str, str]]:
        found = [Found(f"here:{line}", line, text) for line, text in enumerate(smiles, 1)]
        monkeypatch.setattr(assembly, "read_shipped", lambda folder: (found, []))
        corpus = EmbeddedMolecules(workers=0).build()
        rows = zip(corpus.ids, corpus.columns["text"].item, strict=True)
        said: dict[str, set[str]] = {}
        for smiles_text, item in rows:
            said.setdefault(smiles_text, set()).add(corpus.columns["text"].items[item])
        return said, dict(zip(corpus.ids, corpus.split.tolist(), strict=True))

    forward = ["CC(=O)Oc1ccccc1C(=O)O", "CCCCO", "c1ccncc1C", "O=C1c2ccccc2C(=O)c2ccccc21", "NCC(=O)O"]
    assert texts(forward) == texts([canonical_smiles(s) for s in reversed(forward)] + ["OCCCC"])


def test_refused_duplicate_and_left_out_molecules_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = ["CCCCO", "OCCCC", "nonsense", "O", "[Fe]CCCC", "CCCCN", "", "C(C)(C)(C)(C)C", "C" * 100]
    found = [Found(f"here:{line}", line, text) for line, text in enumerate(smiles, 1)]
    monkeypatch.setattr(assembly, "read_shipped", lambda folder: (found, []))
    corpus = EmbeddedMolecules(workers=0).build()
    assert list(corpus.columns["molecule"].items) == ["CCCCO", "CCCCN"]
    assert (corpus.facts["duplicates"], corpus.facts["outside_selection"], corpus.facts["read"]) == (1, 3, 9)
    assert [(item.line, item.modality) for item in corpus.rejected] == [
        (3, "molecule"),
        (7, "molecule"),
        (8, "molecule"),
    ]
    assert all(item.reason.startswith(f"here:{item.line}: ") for item in corpus.rejected)


def test_molecules_with_the_same_text_are_no_negatives_and_stay_on_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    smiles = [f"c1ccccc1{'C' * length}" for length in range(1, 31)]
    found = [Found(f"here:{line}", line, text) for line, text in enumerate(smiles, 1)]
    # Every molecule has a scaffold of its own; the first two and the last two share one of their texts.
    shared = {0: "one", 1: "one", 28: "two", 29: "two"}
    outcomes = [Described(text, (f"own {i}", shared.get(i, f"other {i}")), f"s{i}") for i, text in enumerate(smiles)]
    monkeypatch.setattr(assembly, "read_shipped", lambda folder: (found, []))
    monkeypatch.setattr(assembly, "map_chunks", lambda function, items, **how: iter([outcomes]))
    for split_by in ("scaffold", "random"):
        corpus = EmbeddedMolecules(workers=0, texts=2, split_by=split_by).build()
        assert len(set(corpus.group.tolist())) == 28
        for a, b in ((0, 1), (28, 29)):
            assert corpus.group[2 * a] == corpus.group[2 * b]
            assert corpus.split[2 * a] == corpus.split[2 * b]


def test_a_wheel_without_its_data_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assembly, "rdkit_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"first_5K\.smi"):
        EmbeddedMolecules(workers=0).build()


@pytest.mark.parametrize("wrong", [{"texts": 0}, {"limit": -1}, {"split_by": "colour"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match=f"data.{next(iter(wrong))}"):
        EmbeddedMolecules(**wrong)


def test_a_limit_draws_other_molecules_with_another_seed(corpus: Corpus) -> None:
    chosen = set(corpus.columns["molecule"].items)
    other = set(replace(SMALL, seed=1, texts=1).build().columns["molecule"].items)
    assert len(other) == 400
    assert len(chosen & other) < 100


def test_settings_are_read_without_torch_or_rdkit() -> None:
    program = (
        "import sys, crossmod_molecule.corpus.embedded as e; e.EmbeddedMolecules();"
        "print(sorted({'torch', 'rdkit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_hostile_text_is_an_outcome_and_no_crash() -> None:
    outcomes = describe_all(["C" * 20_000, "\0", "(((", "C1CC", "[Xx]", "c1ccccc1O"], texts=1, seed=0)
    assert [bool(outcome.refused) for outcome in outcomes] == [True, True, True, True, True, False]


def test_functional_groups_are_labels_with_prompts() -> None:
    corpus = EmbeddedMolecules(limit=120, texts=2, workers=0).build()
    label = corpus.labels["carboxylic acid"]
    assert label.classes == ("absent", "present") and label.modality == "molecule"
    assert all(label.prompts[name] for name in label.classes)
    smiles = corpus.columns["molecule"].items
    acid = [smiles[i] for i, value in zip(corpus.columns["molecule"].item, label.values, strict=True) if value]
    expected, _ = functional_group_labels(smiles, ["carboxylic acid"])
    assert set(acid) == {text for text, has in zip(smiles, expected[:, 0], strict=True) if has}
