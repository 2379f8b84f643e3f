"""How a model under attack is printed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from crossmod.robustness.side import AttackedModel
from crossmod_metrics import TransferTable, attack_success
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell

TRANSFER_NOTE = "A weak target is fooled by noise too: read its column beside the noise of the same budget."


def attack_table(side: AttackedModel[Any], title: str) -> Table:
    """Both directions on clean input, under the attack and under its baselines, at every epsilon."""
    columns = [
        Column(key="direction", title="direction"),
        Column(key="input", title="input"),
        Column(key="epsilon", title="budget", decimals=3),
        *[Column(key=f"recall@{k}", title=f"R@{k} %", decimals=1) for k in side.recalls],
        *[Column(key=f"asr@{k}", title=f"ASR@{k} %", decimals=1) for k in side.recalls],
    ]
    note = (
        "ASR@k: of the queries that are right at k on clean input, the share that no longer is; lower is more robust. "
        f"The budget is in {side.unit}. A dash: nothing was right on clean input. {side.note}"
    )
    return Table(columns=columns, rows=list(_rows(side)), title=title, note=note.strip())


def table_of_transfer(found: Mapping[float, Mapping[str, TransferTable]], title: str) -> Table:
    """Attack success by budget, direction, source and target; a dash where the target was never right."""
    first = next(iter(next(iter(found.values())).values()))
    targets = [
        Column(key=f"target {target}", title=f"shown to {target}, ASR@{first.k} %", decimals=1)
        for target in first.targets
    ]
    columns = [
        Column(key="direction", title="direction"),
        Column(key="epsilon", title="budget", decimals=3),
        Column(key="source", title="made on"),
        *targets,
    ]
    rows = []
    for epsilon, tables in found.items():
        for direction, table in tables.items():
            for source, rates in zip(table.sources, table.rate.tolist(), strict=True):
                cells: dict[str, Cell] = {"direction": direction, "epsilon": epsilon, "source": source}
                for column, rate in zip(targets, rates, strict=True):
                    cells[column.key] = None if math.isnan(rate) else 100 * rate
                rows.append(Row(cells=cells, role="result" if source in table.targets else "reference"))
    return Table(columns=columns, rows=rows, title=f"transfer of {title}", note=TRANSFER_NOTE)


def _rows(side: AttackedModel[Any]) -> Iterator[Row]:
    for direction, clean in side.clean.items():
        yield Row(cells={"direction": direction, "input": "clean", **_recalls(clean, side.recalls)}, role="reference")
    attack = side.settings.attack
    for epsilon in side.budgets:
        shown = {attack: side.attacked(epsilon), **side.baselines(epsilon)}
        for name, values in shown.items():
            after = side.ranks(values)
            for direction, clean in side.clean.items():
                cells: dict[str, Cell] = {"direction": direction, "input": name, "epsilon": epsilon}
                cells |= _recalls(after[direction], side.recalls)
                cells |= _success(clean, after[direction], side.recalls)
                yield Row(cells=cells, role="result" if name == attack else "reference")


def _recalls(ranks: Float[Tensor, "queries"], recalls: tuple[int, ...]) -> dict[str, Cell]:
    return {f"recall@{k}": 100 * float((ranks <= k).double().mean()) for k in recalls}


def _success(
    before: Float[Tensor, "queries"], after: Float[Tensor, "queries"], recalls: tuple[int, ...]
) -> dict[str, Cell]:
    """Success at every k at which something was right before; the others stay empty."""
    ks = [k for k in recalls if bool((before <= k).any())]
    return {f"asr@{k}": 100 * rate for k, rate in attack_success(before, after, ks).rate.items()} if ks else {}
