"""How much each voxel along one axis gives to each place of a grid."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt


class AxisWeights(NamedTuple):
    """Weights along one axis, and which places lie inside the scan.

    Shape:
        weights: [places, voxels] float32; the rows inside sum to one, the others are zero.
        inside: [places] bool.
    """

    weights: npt.NDArray[np.float32]
    inside: npt.NDArray[np.bool_]


def places_mm(centre: float, spacing: float, count: int) -> npt.NDArray[np.float64]:
    """[count] positions around `centre`; flipping an axis flips them, to the last bit."""
    return np.asarray(centre + (np.arange(count) - (count - 1) / 2) * spacing, np.float64)


def axis_weights(
    positions: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    interpolation: Literal["linear", "area"],
) -> AxisWeights:
    """Interpolation from voxels at `positions` (rising or falling, evenly or not) to `places` (rising).

    A voxel reaches half way to its neighbour; the outermost reach as far outwards as inwards, and between their
    centre and their edge their own value holds. "linear" weighs the two neighbours of a place by nearness; "area"
    averages that interpolation over the extent of a place, where the grid is coarser than the voxels.

    Raises:
        ValueError: Positions neither rise nor fall throughout.
    """
    voxels = len(positions)
    if voxels == 1:
        inside = np.abs(places - positions[0]) <= np.inf
        return AxisWeights(inside[:, None].astype(np.float32), inside)
    falling = positions[-1] < positions[0]
    rising = positions[::-1] if falling else positions
    steps = np.diff(rising)
    if not (steps > 0).all():
        raise ValueError("positions of voxels neither rise nor fall throughout.")
    low, high = rising[0] - steps[0] / 2, rising[-1] + steps[-1] / 2
    slack = 1e-6 * float(steps.min())  # positions are sums of roundings
    inside = (places >= low - slack) & (places <= high + slack)
    weights = _linear(rising, places)
    spacing = float(places[1] - places[0]) if len(places) > 1 else 0.0
    if interpolation == "area" and spacing > float(steps.min()):
        weights = _averaged(rising, places, spacing)
    weights[~inside] = 0.0
    return AxisWeights(np.ascontiguousarray(weights[:, ::-1] if falling else weights, np.float32), inside)


def _linear(rising: npt.NDArray[np.float64], places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    upper = np.clip(np.searchsorted(rising, places), 1, len(rising) - 1)
    share = np.clip((places - rising[upper - 1]) / (rising[upper] - rising[upper - 1]), 0.0, 1.0)
    weights = np.zeros((len(places), len(rising)))
    row = np.arange(len(places))
    weights[row, upper - 1] = 1.0 - share
    weights[row, upper] += share
    return weights


def _averaged(
    rising: npt.NDArray[np.float64], places: npt.NDArray[np.float64], spacing: float
) -> npt.NDArray[np.float64]:
    """The mean of the linear interpolation over each place's extent, by its midpoints at a quarter voxel or finer."""
    parts = int(np.ceil(4 * spacing / np.diff(rising).min()))
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * spacing
    return np.asarray(np.mean([_linear(rising, places + offset) for offset in offsets], axis=0), np.float64)
