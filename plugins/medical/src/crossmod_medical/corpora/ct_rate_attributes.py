"""What CT-RATE's metadata tables say of patients and scanners, for subgroups; a table without such columns serves."""

from __future__ import annotations

from collections.abc import Iterable

from crossmod.sources.tables import Table
from crossmod_medical.corpora.attributes import attribute_value

COLUMNS = {"age": "PatientAge", "sex": "PatientSex", "scanner": "Manufacturer"}
"""Columns of the tables; their whole list is not verified, so that each may be missing."""


def read_attributes(tables: Iterable[Table]) -> dict[str, dict[str, str]]:
    """By volume name: age as a range of twenty years, sex and scanner, each where the table has it."""
    found: dict[str, dict[str, str]] = {}
    for table in tables:
        at = {name: table.columns.index(column) for name, column in COLUMNS.items() if column in table.columns}
        name_at = table.position("VolumeName")
        for row in table.rows:
            if row.fault:
                continue
            stated = {name: attribute_value(name, row.cells[place]) for name, place in at.items()}
            found[str(row.cells[name_at]).strip()] = {
                name: value for name, value in stated.items() if value and (name != "sex" or value in ("F", "M"))
            }
    return found
