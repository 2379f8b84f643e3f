"""Rows of a table or recordings of a tree that cannot be used, and cells that say nothing."""

from __future__ import annotations

from crossmod.contracts.corpus import Rejected

LONGEST_ITEM = 200
"""Characters of a rejected item that reports show."""

LONGEST_VALUE = 80
"""Characters of an attribute's value that are kept."""

NOTHING = frozenset(("", "nan", "none", "null"))
"""What stands in a cell whose value is unknown, in lower case."""


class UnusableRow(ValueError):  # noqa: N818 - it names the row, which is to be set aside
    """A row that is set aside; the message is the reason that the rejects file gives.

    Args:
        modality: What of the row is at fault.
        item: What stands there.
        reason: Why it cannot be used.
    """

    def __init__(self, modality: str, item: str, reason: str) -> None:
        super().__init__(reason)
        self.modality, self.item = modality, item

    def at(self, line: int) -> Rejected:
        """The entry of the rejects file."""
        return Rejected(self.modality, line, self.item[:LONGEST_ITEM], str(self))


def stated(cell: object) -> str:
    """What a cell says, with single blanks; nothing where it says nothing.

    >>> stated("  en  us "), stated("NaN"), stated(None)
    ('en us', '', '')
    """
    value = " ".join(str(cell).split())
    return "" if value.lower() in NOTHING else value
