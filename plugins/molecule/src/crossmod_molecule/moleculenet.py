"""MoleculeNet: do frozen features of the molecule tower predict measured properties by a linear probe?

Labels are probed on a scaffold split, the penalty chosen on its validation part, and the score is the mean over
tasks of ROC-AUC (classification) or RMSE (regression) on its test part. Morgan fingerprints and the same tower
untrained are probed alike, since a random graph network is no weak baseline.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.contracts.corpus import SPLITS
from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.sources.tables import open_table
from crossmod.training.assemble import initialise
from crossmod_metrics import logistic_probe, multi_task, ridge_probe, rmse, roc_auc
from crossmod_molecule.encoders.combined import CombinedTower
from crossmod_molecule.evaluations import MoleculeNetSettings
from crossmod_molecule.identities import identities
from crossmod_molecule.processors import FingerprintProcessor
from crossmod_molecule.splits import scaffold_split
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

Kind = Literal["classification", "regression"]

FRACTIONS = (0.8, 0.1, 0.1)
REGRESSION = ("esol", "freesolv", "lipophilicity")
TASKS: Mapping[str, tuple[str, ...]] = {"bace": ("Class",)}
"""Columns that are probed where a table has others besides."""


@dataclass(frozen=True)
class PropertySet:
    """One table of MoleculeNet.

    Shape:
        labels: [molecules, tasks] float64; NaN where nothing was measured.
    """

    name: str
    kind: Kind
    smiles: Sequence[str]
    tasks: tuple[str, ...]
    labels: Float[Tensor, "molecules tasks"]
    split: Sequence[str]


def read_property_set(root: str | Path, name: str, workers: int = 0) -> PropertySet:
    """Read a table and split it by scaffold; structures that cannot be read are left out.

    Raises:
        UserError: There is no such table, or a cell is no number.
    """
    table = open_table(_find(Path(root), name))
    smiles_at = table.position("smiles")
    tasks = TASKS.get(name) or tuple(column for column in table.columns if column != "smiles")
    positions = [table.position(task) for task in tasks]
    smiles, labels = [], []
    for row in table.rows:
        if row.fault:
            raise UserError(f"line {row.line} of {table.path}: {row.fault}; mend the row.")
        smiles.append(str(row.cells[smiles_at]))
        labels.append([_number(row.cells[at], table.path, row.line) for at in positions])
    found = identities(smiles, True, workers)
    usable = [index for index, identity in enumerate(found) if not identity.reason]
    return PropertySet(
        name=name,
        kind="regression" if name in REGRESSION else "classification",
        smiles=[smiles[index] for index in usable],
        tasks=tasks,
        labels=torch.tensor(np.array(labels, np.float64)[usable]),
        split=scaffold_split([found[index].scaffold for index in usable], FRACTIONS),
    )


def probe_rows(
    features_by_name: Mapping[str, Float[Tensor, "molecules width"]],
    labels: Float[Tensor, "molecules tasks"],
    split: Sequence[str],
    kind: Kind,
) -> list[dict[str, Any]]:
    """Probe several features of the same molecules alike.

    Shape:
        features: [molecules, width], any width.
        labels: [molecules, tasks]; NaN where nothing was measured.

    Returns:
        For each: `features`, `metric`, `score` (mean over the scored tasks), `tasks` (scored) and `skipped`.

    Raises:
        UserError: A part of the split is empty.
    """
    for part in SPLITS:
        if part not in split:
            raise UserError(f"the split leaves no molecule for {part}; probe a larger table.")
    train, validation, test = (torch.tensor([place == part for place in split]) for part in SPLITS)
    rows = []
    for name, features in features_by_name.items():
        seen = features[train], labels[train], features[validation], labels[validation]
        if kind == "classification":
            found = multi_task(roc_auc, logistic_probe(*seen).logits(features[test]), labels[test])
        else:
            found = multi_task(rmse, ridge_probe(*seen).predict(features[test]), labels[test])
        rows.append(
            {
                "features": name,
                "metric": "ROC-AUC" if kind == "classification" else "RMSE",
                "score": found.mean,
                "tasks": labels.shape[1] - len(found.skipped),
                "skipped": len(found.skipped),
            }
        )
    return rows


def evaluate(context: EvaluationContext, settings: MoleculeNetSettings) -> list[Table]:
    """The `moleculenet` evaluation."""
    towers = {"trained": _tower(context.model.tower("molecule"))}
    for seed in settings.untrained_seeds:
        untrained, _ = initialise(replace(context.recipe, seed=seed), context.model.processors)
        towers[f"untrained {seed}"] = _tower(untrained.tower("molecule"))
    rows = []
    for name in settings.sets:
        properties = read_property_set(settings.root, name, settings.workers)
        features = {kind: pooled_features(tower, properties.smiles) for kind, tower in towers.items()}
        features["fingerprint"] = fingerprint_features(properties.smiles)
        scores = probe_rows(features, properties.labels, properties.split, properties.kind)
        cells: dict[str, Cell] = {"set": name, "metric": scores[0]["metric"], "tasks": scores[0]["tasks"]}
        by_features = {row["features"]: row["score"] for row in scores}
        chance = [score for features, score in by_features.items() if features.startswith("untrained")]
        cells |= {"trained": by_features["trained"], "fingerprint": by_features["fingerprint"]}
        cells |= {"untrained": statistics.fmean(chance), "worst": min(chance), "best": max(chance)}
        if properties.kind == "regression":
            cells["worst"], cells["best"] = cells["best"], cells["worst"]
        rows.append(Row(cells=cells))
    columns = [Column(key="set", title="set"), Column(key="metric", title="metric")]
    columns += [Column(key="tasks", title="tasks", decimals=0), Column(key="trained", title="trained")]
    columns += [Column(key="untrained", title="untrained, mean"), Column(key="worst", title="worst")]
    columns += [Column(key="best", title="best"), Column(key="fingerprint", title="fingerprint")]
    note = (
        "Scaffold split 80/10/10, largest scaffold sets first; higher ROC-AUC and lower RMSE are better. "
        f"The same tower untrained: {len(settings.untrained_seeds)} seeds."
    )
    return [Table(columns=columns, rows=rows, title="linear probes on MoleculeNet", note=note)]


@torch.no_grad()
def pooled_features(tower: Tower, smiles: Sequence[str], batch_size: int = 256) -> Float[Tensor, "molecules width"]:
    """The tower's pooled features in evaluation mode, on the CPU."""
    inputs = tower.processor(smiles)
    device = next(tower.parameters()).device
    was_training = tower.training
    tower.eval()
    try:
        parts = [
            tower(inputs.take(index).to(device)).pooled.float().cpu()
            for index in torch.split(torch.arange(len(inputs)), batch_size)
        ]
    finally:
        tower.train(was_training)
    return torch.cat(parts)


def fingerprint_features(smiles: Sequence[str]) -> Float[Tensor, "molecules bits"]:
    """Log counts of Morgan fingerprints of radius 2 in 2,048 bits."""
    return FingerprintProcessor(radius=2, bits=2048, chirality=False)(smiles).dense()  # type: ignore[attr-defined, no-any-return]


def _tower(tower: Tower) -> Tower:
    """The graph tower where there is one, since the fingerprint stands on its own beside it."""
    return tower.graph if isinstance(tower, CombinedTower) else tower


def _find(root: Path, name: str) -> Path:
    paths = [root / f"{name}{suffix}" for suffix in (".tsv.gz", ".tsv", ".csv.gz", ".csv")]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        present = ", ".join(sorted({path.name.split(".")[0] for path in root.glob("*.[ct]sv*")})) or "none"
        raise UserError(f"{root} has no table {name!r}; its tables are {present}; name some of them with `sets`.")
    return found


def _number(cell: Any, path: Path, line: int) -> float:
    if cell == "":
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise UserError(f"line {line} of {path} has the label {cell!r}; labels are numbers or empty.") from None
