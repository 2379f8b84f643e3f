"""One axis of a chart: its range, where its ticks stand and how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

#: Magnitudes outside these cannot be subtracted, divided and drawn in float64 without overflow or underflow.
LARGEST_DRAWABLE = 1e300
SMALLEST_SPAN = 1e-300


@final
@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of values, linear or logarithmic, with ``low < high`` (and ``low > 0`` when logarithmic).

    The axis of something counted, such as steps, has ticks at `whole` numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @classmethod
    def spanning(cls, values: Iterable[float], *, log: bool = False, padding: float = 0.04) -> Axis:
        """Cover every drawable value with a margin; a constant gets room on both sides, nothing gets 0 to 1."""
        drawn = [value for value in values if drawable(value, log=log)]
        if not drawn:
            return cls(low=0.1 if log else 0.0, high=1.0, log=log)
        low, high = min(drawn), max(drawn)
        if log:
            margin = padding * math.log10(high / low) if high / low > 1 + 1e-9 else 0.3
            return cls(low=max(low * 10**-margin, SMALLEST_SPAN), high=min(high * 10**margin, 1e308), log=True)
        span = high - low
        if span <= max(abs(low), abs(high)) * 1e-12 or span < SMALLEST_SPAN:
            margin = 0.1 * abs(low) if abs(low) > SMALLEST_SPAN else 1.0
            return cls(low=low - margin, high=high + margin)
        return cls(low=low - padding * span, high=high + padding * span)

    def fraction(self, value: float) -> float:
        """Place a value between 0 (the low end) and 1 (the high end)."""
        if self.log:
            low = math.log10(self.low)
            return (math.log10(value) - low) / (math.log10(self.high) - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int = 5) -> list[float]:
        """Choose about `count` round values inside the range."""
        choose = log_ticks if self.log else linear_ticks
        ticks = choose(self.low, self.high, count)
        return [tick for tick in ticks if tick == int(tick)] if self.whole else ticks


def drawable(value: float, *, log: bool = False) -> bool:
    """Say whether a value has a place on an axis: finite, of a sane magnitude, positive when logarithmic."""
    return abs(value) <= LARGEST_DRAWABLE and (value >= SMALLEST_SPAN or not log)


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose multiples of 1, 2 or 5 times a power of ten inside ``[low, high]``, at most ``count + 1`` of them.

    >>> linear_ticks(0, 1), linear_ticks(-0.3, 0.3, 3)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [-0.2, 0.0, 0.2])
    """
    smallest = (high - low) / count
    exponent = math.floor(math.log10(smallest))
    factor = next(factor for factor in (1, 2, 5, 10, 20) if factor * 10.0**exponent >= smallest * (1 - 1e-9))
    step = factor * 10.0**exponent
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, max(0, -exponent)) + 0.0 for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose powers of ten inside ``[low, high]``; a narrow range gets 2 and 5 between them, or linear ticks.

    >>> log_ticks(0.5, 2000), log_ticks(1, 30), log_ticks(3.1, 4.2, 3)
    ([1.0, 10.0, 100.0, 1000.0], [1.0, 2.0, 5.0, 10.0, 20.0], [3.5, 4.0])
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        stride = math.ceil((last - first + 1) / (count + 1))
        return [float(f"1e{exponent}") for exponent in range(first, last + 1, stride)]
    between = [float(f"{factor}e{exponent}") for exponent in range(first - 1, last + 1) for factor in (1, 2, 5)]
    inside = [value for value in between if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    return inside if len(inside) >= 3 else linear_ticks(low, high, count)


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Write the ticks of `linear_ticks` or `log_ticks`: alike on a linear axis, each alone on a logarithmic.

    >>> tick_labels([0.0, 0.5, 1.0]), tick_labels([0.0, 5000.0, 10000.0]), tick_labels([1e-4, 1e-3, 1e-2])
    (['0.0', '0.5', '1.0'], ['0', '5k', '10k'], ['1e-4', '0.001', '0.01'])
    """
    largest = max((abs(tick) for tick in ticks), default=0.0)
    steps = [after - before for before, after in pairwise(ticks)]
    uneven = bool(steps) and max(steps) > min(steps) * 1.5
    if len(ticks) < 2 or uneven or largest < 1e-3 or largest >= 1e12:
        return [short_number(tick) for tick in ticks]
    unit, suffix = _unit(largest)
    decimals = max(0, -math.floor(math.log10(min(steps) / unit) + 1e-9))
    return ["0" if tick == 0 and suffix else f"{tick / unit:.{decimals}f}{suffix}" for tick in ticks]


def short_number(value: float) -> str:
    """Write one number in a few signs, to three significant digits (all digits of whole numbers below 10 000).

    >>> short_number(0.51249), short_number(1234.0), short_number(2500000), short_number(3e-5)
    ('0.512', '1234', '2.5M', '3e-5')
    """
    magnitude = abs(value)
    if value == 0 or not math.isfinite(value):
        return f"{value + 0.0:g}"
    if magnitude < 1e-3 or magnitude >= 1e12:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    unit, suffix = _unit(magnitude)
    scaled = value / unit
    return (f"{scaled:.0f}" if abs(scaled) >= 1000 else f"{scaled:.3g}") + suffix


def _unit(magnitude: float) -> tuple[float, str]:
    if magnitude >= 1e9:
        return 1e9, "G"
    if magnitude >= 1e6:
        return 1e6, "M"
    return (1e3, "k") if magnitude >= 1e4 else (1.0, "")
