"""A set of findings as one line of text, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NONE, SEPARATOR = "none", "; "


class UnknownFinding(ValueError):  # noqa: N818 - it names the finding, whose row is to be set aside
    """A finding that is not among those a tower knows; the message is the reason that the rejects file gives."""


def statement(values: Sequence[float], names: Sequence[str]) -> str:
    """The names of what is present, in order; "none" where nothing is.

    >>> statement([1.0, 0.0, 1.0], ["Emphysema", "Nodule", "Effusion"])
    'Emphysema; Effusion'
    """
    present = [name for name, value in zip(names, values, strict=True) if value == 1.0]
    return SEPARATOR.join(present) if present else NONE


def present(text: str, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of the names a statement holds, without regard to case.

    Shape:
        [names].

    Raises:
        UnknownFinding: It holds another one, or is empty.
    """
    place = {name.lower(): number for number, name in enumerate(names)}
    found = np.zeros(len(names), bool)
    parts = [part.strip().lower() for part in text.split(SEPARATOR.strip())]
    if parts == [NONE]:
        return found
    for part in parts:
        if part not in place:
            raise UnknownFinding(f"{part[:60]!r} is no finding that is known" if part else "no finding is named")
        found[place[part]] = True
    return found
