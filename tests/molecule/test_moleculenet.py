"""MoleculeNet: tables, scaffold split, and probes that tell signal from noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.objectives.settings import InfoNCE
from crossmod.text.settings import TextTransformer
from crossmod.training.assemble import initialise
from crossmod_molecule.data import MoleculeTable
from crossmod_molecule.domain import MoleculeRecipe, MoleculeTowers
from crossmod_molecule.encoders.settings import GraphAndFingerprint, GraphIsomorphism, MorganFingerprint
from crossmod_molecule.evaluations import MoleculeNetSettings
from crossmod_molecule.moleculenet import (
    evaluate,
    fingerprint_features,
    pooled_features,
    probe_rows,
    read_property_set,
)


def write(folder: Path, name: str, *rows: str, header: str = "smiles\tactive\ttoxic") -> None:
    (folder / f"{name}.tsv").write_text("\n".join([header, *rows]) + "\n")


def test_a_table_gives_labels_with_gaps_and_a_scaffold_split(tmp_path: Path) -> None:
    write(tmp_path, "own", "CCO\t1\t", "bad\t1\t1", "c1ccccc1\t0\t1", *(["C1CC1\t0\t0"] * 8))
    found = read_property_set(tmp_path, "own")
    assert found.kind == "classification"
    assert found.tasks == ("active", "toxic")
    assert len(found.smiles) == 10
    assert torch.isnan(found.labels).tolist() == [[False, True]] + [[False, False]] * 9
    assert list(found.split) == ["validation", "test"] + ["train"] * 8


def test_known_sets_have_their_kind_and_tasks(tmp_path: Path) -> None:
    write(tmp_path, "esol", "C\t-1.5", header="smiles\tsolubility")
    write(tmp_path, "bace", "C\t1\t7.5", header="smiles\tClass\tpIC50")
    assert read_property_set(tmp_path, "esol").kind == "regression"
    assert read_property_set(tmp_path, "bace").tasks == ("Class",)


def test_unusable_tables_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "own", "C\thigh\t0")
    with pytest.raises(UserError, match="line 2 of .*label 'high'"):
        read_property_set(tmp_path, "own")
    with pytest.raises(UserError, match=r"no table 'bbbp'; its tables are own"):
        read_property_set(tmp_path, "bbbp")


def test_probes_find_a_linear_signal_and_nothing_in_noise() -> None:
    features = torch.randn(600, 4)
    noise = torch.randn(600, 4)
    split = ["train"] * 400 + ["validation"] * 100 + ["test"] * 100
    labels = torch.stack(((features[:, 0] > 0).double(), (features[:, 1] + features[:, 2] > 0).double()), dim=1)
    labels[::7, 1] = torch.nan
    signal, chance = probe_rows({"signal": features, "noise": noise}, labels, split, "classification")
    assert (signal["features"], signal["metric"], signal["tasks"], signal["skipped"]) == ("signal", "ROC-AUC", 2, 0)
    assert signal["score"] > 0.98
    assert 0.3 < chance["score"] < 0.7
    target = (2.0 * features[:, :1] + 1.0).double()
    exact, mean = probe_rows({"signal": features, "noise": noise}, target, split, "regression")
    assert exact["metric"] == "RMSE"
    assert exact["score"] < 0.01
    assert 1.5 < mean["score"] < 2.6  # the spread of the target


def test_a_split_without_validation_is_refused() -> None:
    with pytest.raises(UserError, match="no molecule for validation"):
        probe_rows({"f": torch.randn(4, 2)}, torch.zeros(4, 1), ["train"] * 3 + ["test"], "classification")


def test_a_task_with_one_class_in_the_test_part_is_skipped_and_counted() -> None:
    features = torch.randn(60, 3)
    split = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    labels = (features[:, :2] > 0).double()
    labels[50:, 1] = 1.0
    (row,) = probe_rows({"f": features}, labels, split, "classification")
    assert (row["tasks"], row["skipped"]) == (1, 1)


def test_features_are_the_towers_in_evaluation_mode_and_leave_it_as_it_was() -> None:
    settings = GraphIsomorphism(width=8, depth=2, dropout=0.5)
    tower = settings.build(settings.fit_processor([])).train()
    smiles = ["CCO", "C", "c1ccccc1", "[Na+]", "CC"]
    found = pooled_features(tower, smiles, batch_size=2)
    assert tower.training
    expected = tower.eval()(tower.processor(smiles)).pooled
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=1e-5)
    assert fingerprint_features(smiles).shape == (5, 2048)


def test_the_evaluation_fills_one_row_a_set(tmp_path: Path) -> None:
    rings = [f"C1{'C' * size}C1" for size in range(1, 21)]
    tails = [tail * length for tail in "CON" for length in (1, 2, 3)]
    rows = [f"{tail}{ring}\t{int('O' in tail)}" for ring in rings for tail in tails]
    write(tmp_path, "own", *rows, header="smiles\tactive")
    recipe = MoleculeRecipe(
        data=MoleculeTable(path="unread.tsv"),
        towers=MoleculeTowers(
            molecule=GraphAndFingerprint(
                graph=GraphIsomorphism(width=8, depth=2), fingerprint=MorganFingerprint(width=8, bits=64)
            ),
            text=TextTransformer(width=8, heads=2, depth=1, vocabulary=300),
        ),
        objectives={"contrast": InfoNCE(a="molecule", b="text")},
    )
    processors = {name: tower.fit_processor(["a text"]) for name, tower in recipe.towers.modalities.items()}
    model, _ = initialise(recipe, processors)
    settings = MoleculeNetSettings(root=str(tmp_path), sets=["own"], untrained_seeds=[1, 2], workers=0)
    (table,) = evaluate(EvaluationContext(model.eval(), recipe), settings)
    (row,) = table.rows
    scores = ["trained", "untrained", "worst", "best", "fingerprint"]
    assert [column.key for column in table.columns] == ["set", "metric", "tasks", *scores]
    assert row.cells["worst"] <= row.cells["untrained"] <= row.cells["best"]
    assert (row.cells["set"], row.cells["metric"], row.cells["tasks"]) == ("own", "ROC-AUC", 1)
    assert row.cells["fingerprint"] > 0.95  # an oxygen is a bit of its own
    # Neither tower is trained, so with equal seeds they would agree to the last digit.
    same = evaluate(EvaluationContext(model, recipe), replace(settings, untrained_seeds=[0]))[0].rows[0].cells
    assert same["trained"] == same["untrained"] == same["worst"] == same["best"]
    assert same["trained"] == row.cells["trained"]


def test_fingerprints_predict_solubility_of_the_real_table(real_data: Path) -> None:
    found = read_property_set(real_data / "moleculenet", "esol")
    (row,) = probe_rows({"f": fingerprint_features(found.smiles)}, found.labels, found.split, found.kind)
    assert len(found.smiles) == 1128
    spread = float(found.labels[[place == "test" for place in found.split]].std())
    assert row["score"] < spread
