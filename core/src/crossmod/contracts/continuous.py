"""What a tower may say of an input whose numbers a gradient can change (torch-free).

A tower need not say anything: its inputs are asked then. It declares where they cannot know: that their numbers are
counts or codes although they are floats, or how far a number may go.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ContinuousInput:
    """The attribute `continuous` of a tower whose input may be changed by any small amount.

    A tower with `continuous = None` declares the opposite: no number of its input means anything between its values.

    Args:
        unit: What a change of one is, as tables print it, such as "HU" or "standard deviations".
        lower: Smallest number that an input can hold, in this unit; None is unbounded.
        upper: Largest.
    """

    unit: str = ""
    lower: float | None = None
    upper: float | None = None
