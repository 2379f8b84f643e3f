"""Settings of the image towers (torch-free): their class names are what a user types after `--towers.image`."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_medical.grid import ImageGrid, VolumeGrid

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_medical.image_processor import ImageProcessor
    from crossmod_medical.processors import VolumeProcessor


@dataclass(frozen=True, kw_only=True)
class VolumeTower(TowerSettings, ABC):
    """An encoder of volumes.

    Args:
        grid: Spacing, size and windows of the volumes.
    """

    grid: VolumeGrid = field(default_factory=VolumeGrid)

    def fit_processor(self, items: Sequence[Any]) -> VolumeProcessor:
        """Make the processor; nothing is learned from the items."""
        return self.grid.build()

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> VolumeProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's volumes lie on another grid.
        """
        return self.grid.build().require(spec)


@dataclass(frozen=True, kw_only=True)
class ImageTower(TowerSettings, ABC):
    """An encoder of 2-D images.

    Args:
        grid: Size and channels of the images.
    """

    grid: ImageGrid = field(default_factory=ImageGrid)

    def fit_processor(self, items: Sequence[Any]) -> ImageProcessor:
        """Make the processor; nothing is learned from the items."""
        return self.grid.build()

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> ImageProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's images lie on another grid.
        """
        return self.grid.build().require(spec)


@dataclass(frozen=True, kw_only=True)
class VolumeTransformer(VolumeTower):
    """A vision transformer over patches of a volume; the recipes of CT-CLIP and SimCroP differ in its options.

    Fixed sine-cosine positions as in SimCroP; CT-CLIP's codebook and its own positions are left out, as its sheet
    finds the codebook's loss discarded. Patches can be hidden or left out, for masked objectives.

    Args:
        patch: Voxels of a patch to the right, to the front and to the head; divides the grid's size (16 x 16 x 8 in
            SimCroP, 20 x 20 x 10 in CT-CLIP).
        width: Width of tokens and pooled vector (768 in SimCroP, 512 in CT-CLIP; 256 serves small corpora).
        depth: Blocks (12 in SimCroP); factorised so many within slices and as many along depth (4 in CT-CLIP).
        heads: Attention heads; they divide the width (12 in SimCroP, 8 in CT-CLIP).
        attention: "joint" among all patches (SimCroP), or "factorised" into slices, then depth (CT-CLIP).
        pooling: "mean" of the tokens, a class token ("cls", joint attention only), a learned query ("attention"), or
            "flatten": mean along depth, then one linear map of all places (CT-CLIP).
        dropout: Probability of dropping a component of what a branch adds (0 in both).
        patch_norm: Layer norm of the embedded patches: "none", "after" the projection, or "around" it, of the patches'
            values too, as CT-CLIP's encoder has it (recalled, not in its sheet) and which leaves out how dense a patch
            is on the whole. Without any, positions drown what patches hold: training starts late, and sentences
            select places by where they are (measured; SimCroP's code is not released). "place" centres embedded
            patches by those of the same place in the batch: what sets a scan apart from the mean chest there (ours).
        centred: States lose what all places of a batch have in common (ours; see VolumeSwin): for alignment of tokens.
    """

    patch: tuple[int, int, int] = (16, 16, 8)
    width: int = 256
    depth: int = 4
    heads: int = 4
    attention: Literal["joint", "factorised"] = "joint"
    pooling: Literal["mean", "cls", "attention", "flatten"] = "mean"
    dropout: float = 0.0
    patch_norm: Literal["none", "after", "around", "place"] = "after"
    centred: bool = False

    def __post_init__(self) -> None:
        _require_transformer(self)
        _require_patch(self.patch, self.grid.size)
        if self.attention == "factorised" and self.pooling == "cls":
            raise UserError("factorised attention has no class token; pool by mean, attention or flatten.")
        if self.centred and (self.attention, self.pooling) != ("joint", "mean"):
            raise UserError("centred states are those of joint attention, pooled by their mean; choose both.")

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.patch_transformer import PatchTransformerTower

        return PatchTransformerTower(
            processor,
            axes=self.grid.shape,
            patch=self.patch[::-1],
            channels=self.grid.channels,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            factorised=self.attention == "factorised",
            pooling=self.pooling,
            dropout=self.dropout,
            patch_norm=self.patch_norm,
            centred=self.centred,
        )


@dataclass(frozen=True, kw_only=True)
class ImageTransformer(ImageTower):
    """A vision transformer over patches of a 2-D image (ViT, arXiv:2010.11929), as in M3AE, PTUnifier and CLIP.

    Args:
        patch: Pixels of a patch along height and along width; divides the grid's size (16 in ViT-B/16).
        width: Width of tokens and pooled vector (768 in ViT-B; 256 serves small corpora).
        depth: Blocks (12 in ViT-B).
        heads: Attention heads; they divide the width (12 in ViT-B).
        pooling: "mean" of the tokens, a class token ("cls", as in CLIP), or a learned query ("attention").
        dropout: Probability of dropping a component of what a branch adds.
        patch_norm: As in `VolumeTransformer`; CLIP and ViT have none.
    """

    patch: tuple[int, int] = (16, 16)
    width: int = 256
    depth: int = 4
    heads: int = 4
    pooling: Literal["mean", "cls", "attention"] = "mean"
    dropout: float = 0.0
    patch_norm: Literal["none", "after", "around"] = "none"

    def __post_init__(self) -> None:
        _require_transformer(self)
        _require_patch(self.patch, self.grid.size)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.patch_transformer import PatchTransformerTower

        return PatchTransformerTower(
            processor,
            axes=self.grid.size,
            patch=self.patch,
            channels=self.grid.channels,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            pooling=self.pooling,
            dropout=self.dropout,
            patch_norm=self.patch_norm,
        )


def _require_transformer(settings: VolumeTransformer | ImageTransformer) -> None:
    width, depth, heads, dropout = settings.width, settings.depth, settings.heads, settings.dropout
    if min(width, depth, heads) < 1 or width % heads or width < 6 or not 0 <= dropout < 1:
        raise UserError(
            f"a transformer of width {width}, depth {depth}, {heads} heads and dropout {dropout} cannot be made; heads "
            "divide the width, which is at least 6, there is one block or more, and dropout is below 1."
        )


def _require_patch(patch: Sequence[int], size: Sequence[int]) -> None:
    if min(patch) < 1 or any(extent % step for extent, step in zip(size, patch, strict=True)):
        raise UserError(
            f"patches of {list(patch)} do not divide a grid of {list(size)}; "
            "choose a patch or a grid.size that is a multiple of it along every axis."
        )
