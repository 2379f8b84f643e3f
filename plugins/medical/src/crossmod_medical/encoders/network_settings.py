"""Settings of convolutional and hierarchical towers, and of an adapter for 2-D towers on volumes (torch-free)."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_medical.encoders.settings import ImageTower, ImageTransformer, VolumeTower
from crossmod_medical.grid import ImageGrid, VolumeGrid

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower

SMALLEST_SWIN_EXTENT = 32
"""Five halvings: the multiple that every axis of a grid for SwinUNETR has to be."""


@dataclass(frozen=True, kw_only=True)
class ResidualNetwork(TowerSettings, ABC):
    """A residual network (arXiv:1512.03385), MONAI's.

    Args:
        depth: 10, 18, 34 or 50 layers.
        base: Channels of the first stage, doubled three times (64 as published; 32 serves small corpora).
        norm: "group" keeps a sample independent of its batch, which chunked encoding needs; "batch" as published.
        stem_stride: Stride of the first convolution (2 as published); 1 also leaves out the pooling after it, for
            inputs of some thirty voxels or pixels.
        stem_size: Extent of the first convolution along every axis, odd (7 as published). What is two voxels wide
            drowns in a sum over 343: trained on the labels of our phantoms, 3 sees calcifications that 7 does not, in
            two fifths of the time.
    """

    grid: VolumeGrid | ImageGrid
    depth: Literal[10, 18, 34, 50] = 10
    base: int = 32
    norm: Literal["group", "batch", "instance"] = "group"
    stem_stride: Literal[1, 2] = 2
    stem_size: Literal[3, 5, 7] = 7

    def __post_init__(self) -> None:
        if self.base < 8 or self.base % 8:
            raise UserError(f"base is {self.base}; take a multiple of 8, which group norm parts channels by.")

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.convolution import ResidualTower

        return ResidualTower(
            processor,
            axes=len(self.grid.size),
            channels=self.grid.channels,
            depth=self.depth,
            base=self.base,
            norm=self.norm,
            stem_stride=self.stem_stride,
            stem_size=self.stem_size,
        )


@dataclass(frozen=True, kw_only=True)
class VolumeResNet(ResidualNetwork, VolumeTower):
    """A three-dimensional residual network: the convolutional baseline."""

    grid: VolumeGrid = field(default_factory=VolumeGrid)


@dataclass(frozen=True, kw_only=True)
class ImageResNet(ResidualNetwork, ImageTower):
    """A two-dimensional residual network; PubMedCLIP's RN50 is a relative of depth 50."""

    grid: ImageGrid = field(default_factory=ImageGrid)


@dataclass(frozen=True, kw_only=True)
class VolumeSwin(VolumeTower):
    """SwinUNETR's encoder (arXiv:2201.01266), MONAI's, as VELVET-Med takes it by our definition [C].

    Args:
        grid: Spacing, size and windows of the volumes; every extent is a multiple of 32 (crops of 96 in SwinUNETR).
        base: Channels of the finest map (48 in SwinUNETR); a multiple of 12. The tower is 16 times as wide.
        depths: Blocks of each of the four stages.
        heads: Attention heads of each stage.
        window: Extent of an attention window along every axis.
        checkpointing: Recompute blocks in the backward pass: about half the memory for a third more time.
        centred: Pooled vectors lose what all samples of a batch have in common (batch normalisation without scale and
            offset, ours): a contrast of small batches learns at once, and not a hundred steps later. Chunked encoding
            then centres within chunks.
    """

    grid: VolumeGrid = field(default_factory=lambda: VolumeGrid(spacing_mm=(1.5, 1.5, 1.5), size=(96, 96, 96)))
    base: int = 48
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    heads: tuple[int, int, int, int] = (3, 6, 12, 24)
    window: int = 7
    checkpointing: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        if any(extent % SMALLEST_SWIN_EXTENT for extent in self.grid.size):
            raise UserError(
                f"grid.size is {list(self.grid.size)}; VolumeSwin halves every axis five times, take multiples of "
                f"{SMALLEST_SWIN_EXTENT}."
            )
        if self.window < 1 or min(self.depths) < 1 or self.base < 1 or min(self.heads) < 1:
            raise UserError("base, window, depths and heads of VolumeSwin are at least 1.")
        for stage, heads in enumerate(self.heads):
            if (self.base * 2**stage) % heads:
                raise UserError(
                    f"stage {stage + 1} has {self.base * 2**stage} channels, which {heads} heads do not share."
                )

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.convolution import SwinTower

        return SwinTower(
            processor,
            channels=self.grid.channels,
            base=self.base,
            depths=self.depths,
            heads=self.heads,
            window=self.window,
            checkpointing=self.checkpointing,
            centred=self.centred,
        )


@dataclass(frozen=True, kw_only=True)
class SlicePooling(VolumeTower):
    """A 2-D tower on every slice, then attention among slices (RadCLIP): volumes without a 3-D network.

    Args:
        slices: The 2-D tower; its grid has the volumes' height and width, and one channel a window or three for one.
        heads: Attention heads of the adapter; they divide the 2-D tower's width (8; not verified in the paper).
        pooling: "mean" of the slices, a learned "query" with one weight a slice, or "max" (not verified).
        positions: "index" places slices from 0 to 1, "millimetre" by their spacing.
        frozen: Keep the 2-D tower as it is (not verified); it needs a start then, with `run.initialise_parts`.
        dropout: Probability of dropping a component of what the adapter's branches add.
    """

    slices: ImageTower = field(default_factory=ImageTransformer)
    heads: int = 8
    pooling: Literal["mean", "query", "max"] = "mean"
    positions: Literal["index", "millimetre"] = "index"
    frozen: bool = True
    dropout: float = 0.1

    def __post_init__(self) -> None:
        image = self.slices.grid
        if image.size != self.grid.shape[1:]:
            raise UserError(
                f"slices are {list(self.grid.shape[1:])} high and wide, and their tower reads {list(image.size)}; "
                "give both grids the same size."
            )
        if self.grid.channels not in (1, image.channels):
            raise UserError(
                f"volumes have {self.grid.channels} windows and the slices' tower {image.channels} channels; take one "
                "window, or one for every channel."
            )

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.slice_pooling import SliceAdapter, SlicePoolingTower

        tower = self.slices.build(self.slices.fit_processor([]))
        if tower.width % self.heads:
            raise UserError(f"{self.heads} heads do not divide the slices' width {tower.width}; take a divisor.")
        return SlicePoolingTower(
            processor,
            tower,
            SliceAdapter(tower.width, self.heads, pooling=self.pooling, dropout=self.dropout),
            channels=self.slices.grid.channels,
            frozen=self.frozen,
            spacing_mm=self.grid.spacing_mm[2] if self.positions == "millimetre" else None,
        )
