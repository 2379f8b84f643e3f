"""How much every place of a volume speaks for a phrase: by the places' own vectors, or by what hiding one costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int16
from torch import Tensor
from torch.nn import functional

from crossmod.model import CrossModal
from crossmod_medical.grid import AIR_HU
from crossmod_medical.volumes import VolumeInputs

FEWEST_PLACES = 4
"""Places along every axis below which a tower's own map shows too little, and hiding parts shows more."""

HIDDEN_PARTS = (4, 6, 8)
"""Into how many parts occlusion cuts depth, height and width."""

TISSUE_HU = -500.0
"""Above it is body, not air."""

BATCH = 64


@runtime_checkable
class PlacedTower(Protocol):
    """A tower whose pooled vector is the mean of one vector a place."""

    def local(self, inputs: VolumeInputs, /) -> Float[Tensor, "samples depth height width dim"] | None:
        """The vectors whose mean over all places is the pooled vector; None where pooling is no such mean."""
        ...


@torch.no_grad()
def place_map(
    model: CrossModal, modality: str, inputs: VolumeInputs, directions: Float[Tensor, "phrases 2 dim"]
) -> Float[Tensor, "samples depth height width phrases"] | None:
    """cos(v, present) - cos(v, absent) of every place's vector v, projected as a pooled vector is.

    The places are those of the tower, whose vectors average to the pooled one (as a dense map of CLIP is read in
    MaskCLIP, arXiv:2112.01071). None where the tower has no such places, or too few to show anything.

    Args:
        model: In evaluation mode.
        modality: Of the volumes.
        inputs: The volumes.
        directions: For every phrase, unit vectors of the denial and of the affirmation.
    """
    tower = model.tower(modality)
    if not isinstance(tower, PlacedTower):
        return None
    parts = []
    for chosen in torch.split(torch.arange(len(inputs)), BATCH):
        local = tower.local(inputs.take(chosen))
        if local is None or min(local.shape[1:4]) < FEWEST_PLACES:
            return None
        vectors = model.project(modality, local.flatten(0, 3))
        margin = vectors @ (directions[:, 1] - directions[:, 0]).T.to(vectors.dtype)
        parts.append(margin.view(*local.shape[:4], len(directions)))
    return torch.cat(parts)


def occlusion_map(
    model: CrossModal, modality: str, inputs: VolumeInputs, directions: Float[Tensor, "phrases 2 dim"]
) -> Float[Tensor, "samples depth height width phrases"]:
    """How much each phrase's margin falls when a part of the volume is hidden (Zeiler and Fergus, arXiv:1311.2901).

    Every tower serves. A part is replaced by its own mean, so that no edge to air appears where there was none.

    Args:
        model: In evaluation mode.
        modality: Of the volumes.
        inputs: The volumes.
        directions: For every phrase, unit vectors of the denial and of the affirmation.
    """
    along = (directions[:, 1] - directions[:, 0]).T.double()
    whole = model.embed(modality, inputs, batch_size=BATCH).double() @ along
    parts = [min(count, extent) for count, extent in zip(HIDDEN_PARTS, inputs.voxels.shape[1:], strict=True)]
    edges = [
        [round(number * extent / count) for number in range(count + 1)]
        for count, extent in zip(parts, inputs.voxels.shape[1:], strict=True)
    ]
    heat = torch.zeros(len(inputs), *parts, len(directions), dtype=torch.float64)
    for sample in range(len(inputs)):
        hidden = []
        for place in torch.cartesian_prod(*(torch.arange(count) for count in parts)).tolist():
            voxels = inputs.voxels[sample].clone()
            box = tuple(slice(edge[at], edge[at + 1]) for edge, at in zip(edges, place, strict=True))
            voxels[box] = voxels[box].float().mean().clamp(min=AIR_HU).round().to(voxels.dtype)
            hidden.append(voxels)
        margin = model.embed(modality, replace(inputs, voxels=torch.stack(hidden)), batch_size=BATCH).double() @ along
        heat[sample] = (whole[sample] - margin).view(*parts, len(directions))
    return heat


def within_body(
    voxels: Int16[Tensor, "samples depth height width"], heat: Float[Tensor, "samples depth height width"]
) -> Float[Tensor, "samples depth height width"]:
    """The heat within each slice's outline, between tissue on all four sides, 0 in the air around."""
    tissue = voxels > TISSUE_HU
    inside = torch.ones_like(tissue)
    for axis in (2, 3):
        inside &= tissue.cummax(axis).values & tissue.flip(axis).cummax(axis).values.flip(axis)
    return torch.where(inside, heat, 0.0)


def on_grid(
    heat: Float[Tensor, "samples places_d places_h places_w"], shape: tuple[int, int, int]
) -> Float[Tensor, "samples depth height width"]:
    """A map of places as one of voxels, linear between the places' centres."""
    return functional.interpolate(heat[:, None].float(), shape, mode="trilinear", align_corners=False)[:, 0]
