"""What CT-RATE's metadata tables say of patients and scanners, for subgroups; a table without such columns serves."""

from __future__ import annotations

from collections.abc import Iterable

from crossmod.sources.tables import Table
from crossmod_medical.corpora.ages import age_group

AGE, SEX, SCANNER = "PatientAge", "PatientSex", "Manufacturer"
"""Columns of the tables; their whole list is not verified, so that each may be missing."""

LONGEST = 80


def read_attributes(tables: Iterable[Table]) -> dict[str, dict[str, str]]:
    """By volume name: age as a range of twenty years, sex and scanner, each where the table has it."""
    found: dict[str, dict[str, str]] = {}
    for table in tables:
        at = {name: table.columns.index(name) for name in (AGE, SEX, SCANNER) if name in table.columns}
        name_at = table.position("VolumeName")
        for row in table.rows:
            if row.fault:
                continue
            stated = {name: " ".join(str(row.cells[place]).split())[:LONGEST] for name, place in at.items()}
            known = {
                "age": age_group(stated.get(AGE, "")),
                "sex": stated.get(SEX, "") if stated.get(SEX, "") in ("F", "M") else "",
                "scanner": stated.get(SCANNER, "") if stated.get(SCANNER, "").lower() != "nan" else "",
            }
            found[str(row.cells[name_at]).strip()] = {name: value for name, value in known.items() if value}
    return found
