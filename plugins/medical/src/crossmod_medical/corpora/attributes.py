"""What tables and headers say of patients and scanners, as subgroups: an age is kept as a range of twenty years."""

from __future__ import annotations

import re

from crossmod.sources.rows import LONGEST_VALUE, stated

_YEARS = re.compile(r"0*(\d{1,3})(?:\.\d+)?\s*Y?", re.IGNORECASE)
_YOUNGER = re.compile(r"\d{1,3}\s*[DWM]", re.IGNORECASE)


def age_group(age: object) -> str:
    """The range of an age such as 65, "065Y" (DICOM) or "8M"; nothing where none is stated.

    >>> age_group("065Y"), age_group("8M"), age_group("unknown")
    ('60 to 79', 'under 20', '')
    """
    cell = str(age).strip()
    if _YOUNGER.fullmatch(cell):
        return "under 20"
    found = _YEARS.fullmatch(cell)
    if found is None or int(found[1]) > 120:
        return ""
    years = int(found[1])
    if years < 20:
        return "under 20"
    low = min(years // 20 * 20, 80)
    return "80 and over" if low == 80 else f"{low} to {low + 19}"


def attribute_value(name: str, cell: object) -> str:
    """What a cell says of a patient or scanner, an age as its range; nothing where it says nothing."""
    if "age" in name.lower().replace("_", " ").split():
        return age_group(cell)
    return stated(cell)[:LONGEST_VALUE]
