"""What a tower expects of its pictures: spacing, size and windows of volumes, size and channels of images (torch-free).

Settings of this kind stand inside the settings of every tower of this domain, and become the spec of its checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.settings import Settings

if TYPE_CHECKING:
    from crossmod_medical.image_processor import ImageProcessor
    from crossmod_medical.processors import VolumeProcessor

AIR_HU = -1024
"""What surrounds a volume that is smaller than the grid: no window begins lower, so it is 0 in each of them."""

LARGEST_GRID_VOXELS = 1 << 30


@dataclass(frozen=True, kw_only=True)
class VolumeGrid(Settings):
    """The voxel grid that every volume is brought to: axes to the right, front and head, centred on the scan.

    Args:
        spacing_mm: Distance of voxels to the right, to the front and to the head (1.5 x 1.5 x 3 is what SimCroP's
            released scripts use for the trunk; CT-CLIP takes 0.75 x 0.75 x 1.5).
        size: Voxels in these directions; what is larger is cropped around its centre, what is smaller is padded
            with air.
        windows_hu: Lowest and highest hounsfield units of every channel, which become 0 and 1 (-1000 to 1000 in
            CT-CLIP and SimCroP).
        interpolation: "linear" between neighbouring voxels, as in the papers; "area" also averages what a coarser
            grid would jump over, so that small things keep their share.
        cache: Folder of volumes on this grid, keyed by content and grid; empty takes `$CROSSMOD_CACHE`, or
            `~/.cache/crossmod`; "off" keeps none.
        other_grids: "refuse" takes no weights that were trained on volumes of another spacing, size, window or
            interpolation, and no volumes prepared so; "accept" does, at your own risk: what looked like a vessel may
            look like a calcification then.
    """

    spacing_mm: tuple[float, float, float] = (1.5, 1.5, 3.0)
    size: tuple[int, int, int] = (224, 224, 112)
    windows_hu: tuple[tuple[float, float], ...] = ((-1000.0, 1000.0),)
    interpolation: Literal["linear", "area"] = "linear"
    cache: str = ""
    other_grids: Literal["refuse", "accept"] = "refuse"

    def __post_init__(self) -> None:
        if not all(math.isfinite(step) and step > 0 for step in self.spacing_mm):
            raise UserError(f"spacing_mm is {self.spacing_mm}; give three positive distances in millimetres.")
        if min(self.size) < 1 or math.prod(self.size) > LARGEST_GRID_VOXELS:
            raise UserError(f"size is {self.size}; give three voxel counts, together at most {LARGEST_GRID_VOXELS:,}.")
        if not self.windows_hu:
            raise UserError("windows_hu is empty; a volume needs at least one window, such as [-1000, 1000].")
        for low, high in self.windows_hu:
            if not (math.isfinite(high) and AIR_HU <= low < high):
                raise UserError(
                    f"windows_hu has {low:g} to {high:g}; a window goes from {AIR_HU} or more up to a higher value."
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Depth, height and width of the tensor: the size to the head, to the front and to the right."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def channels(self) -> int:
        """Channels of the tensor, one a window."""
        return len(self.windows_hu)

    def build(self) -> VolumeProcessor:
        """Make the processor that brings volumes to this grid."""
        from crossmod_medical.processors import VolumeProcessor

        return VolumeProcessor(self)


@dataclass(frozen=True, kw_only=True)
class ImageGrid(Settings):
    """The pixel grid that every 2-D image is brought to.

    Args:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for colour; a grey image is repeated.
        fit: "pad" keeps the proportions and fills with black, "crop" keeps them and cuts the longer side around its
            centre, "stretch" keeps none.
    """

    size: tuple[int, int] = (224, 224)
    channels: Literal[1, 3] = 3
    fit: Literal["pad", "crop", "stretch"] = "pad"

    def __post_init__(self) -> None:
        if min(self.size) < 1 or max(self.size) > 8192:
            raise UserError(f"size is {self.size}; give height and width from 1 to 8192 pixels.")
        if self.channels not in (1, 3):
            raise UserError(f"channels is {self.channels}; take 1 for grey or 3 for colour.")

    def build(self) -> ImageProcessor:
        """Make the processor that brings images to this grid."""
        from crossmod_medical.image_processor import ImageProcessor

        return ImageProcessor(self)
