"""Settings of towers that slide over volumes larger than their own grid (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod_medical.encoders.network_settings import VolumeResNet
from crossmod_medical.encoders.settings import VolumeTower

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class WindowedVolumes(VolumeTower):
    """A tower that trains on windows drawn from larger volumes, and gives the mean over sliding windows otherwise.

    A window of a study may not show what the report tells of; this serves volumes of which a whole does not fit, and
    towers trained on smaller grids, which `run.initialise_parts` puts into `towers.image.tower`.

    Args:
        grid: Spacing, size and windows of the whole volumes.
        tower: Encodes a window; its grid has the same spacing_mm, windows_hu and interpolation, and a size that is
            not larger.
        overlap: Share of a window that neighbours at least have in common, along every axis (0.25 in MONAI's sliding
            window inference).
    """

    tower: VolumeTower = field(default_factory=VolumeResNet)
    overlap: float = 0.25

    def __post_init__(self) -> None:
        own, window = self.grid, self.tower.grid
        for name in ("spacing_mm", "windows_hu", "interpolation"):
            if getattr(own, name) != getattr(window, name):
                raise UserError(
                    f"the volumes have {name} {getattr(own, name)} and their windows {getattr(window, name)}; give "
                    "both grids the same."
                )
        if any(size > extent for size, extent in zip(window.size, own.size, strict=True)):
            raise UserError(f"windows of {list(window.size)} do not fit into volumes of {list(own.size)}.")
        if not 0 <= self.overlap < 1:
            raise UserError(f"overlap is {self.overlap}; take 0 or more, and less than 1.")

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.windowed import WindowedVolumeTower

        return WindowedVolumeTower(
            processor,
            self.tower.build(self.tower.fit_processor([])),
            whole=self.grid,
            window=self.tower.grid,
            overlap=self.overlap,
        )
