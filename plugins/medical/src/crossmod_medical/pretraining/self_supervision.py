"""What volumes teach without any report: two views of each, filled in, told how they are turned, and matched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.reconstruction import share_of_rows
from crossmod.objectives.pairs.gathering import every_group, every_row
from crossmod.objectives.pairs.intra_modal import nt_xent
from crossmod_medical.encoders.convolution import SwinTower
from crossmod_medical.pretraining.crops import TURNS, View, draw_view
from crossmod_medical.pretraining.inpainting import InpaintingDecoder, inpainting_loss
from crossmod_medical.volumes import VolumeInputs


class CropPlan(NamedTuple):
    """How views are drawn.

    Attributes:
        size: Depth, height and width of a crop.
        edge: Voxels of a hidden cube along every axis.
        shares: Least and largest share of a crop that is hidden.
    """

    size: tuple[int, int, int]
    edge: int
    shares: tuple[float, float]


class VolumeSelfSupervisionObjective(Objective):
    """Two crops of every volume, turned and with cubes taken out; L = w_i inpainting + w_r rotation + w_c contrast.

    VELVET-Med's abstract has uni-modal self-supervision inside the joint training and names no objective; these three,
    as in Swin UNETR's pre-training (arXiv:2111.14791), and their weights are [C]. Turned volumes are seen by this term
    alone: words such as "left" are never matched with a turned one.

    Args:
        modality: The modality of the volumes; its tower is a `SwinTower`.
        tower: That tower, for its widths.
        plan: How views are drawn.
        width: Width of the contrasted vectors.
        temperature: Of the contrast between two crops of one volume.
        inpainting, rotation, contrast: The weights.
    """

    couples_batch = True

    def __init__(
        self,
        modality: str,
        tower: SwinTower,
        plan: CropPlan,
        *,
        width: int,
        temperature: float,
        inpainting: float,
        rotation: float,
        contrast: float,
    ) -> None:
        super().__init__()
        self.modality, self.plan, self.temperature = modality, plan, temperature
        self.weights = {"inpainting": inpainting, "rotation": rotation, "contrast": contrast}
        self.decoder = InpaintingDecoder(tower.width, tower.channels)
        self.turned = nn.Linear(tower.width, TURNS)
        self.project = nn.Linear(tower.width, width)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Score two views of the rows that have the modality; none at all is a zero."""
        tower, inputs = forwards.tower(self.modality), batch.inputs[self.modality]
        assert isinstance(tower, SwinTower)
        assert isinstance(inputs, VolumeInputs)
        x = inputs.x
        if not len(x):
            # Other processes wait for this one's rows; that there are none is theirs to refuse.
            nothing = every_row(self.project(x.new_zeros(0, tower.width))).sum()
            return Outcome(nothing, {"loss": nothing.detach()})
        views = [draw_view(x, self.plan.size, self.plan.edge, self.plan.shares) for _ in range(2)]
        maps = [tower.stages(view.masked)[-1] for view in views]
        pooled = [coarsest.flatten(2).mean(2) for coarsest in maps]
        share = share_of_rows(len(inputs), len(batch), "row")
        terms = {
            "inpainting": share * _mean(self._filled(*pair) for pair in zip(views, maps, strict=True)),
            "rotation": share * _mean(self._told(*pair) for pair in zip(views, pooled, strict=True)),
            "contrast": self._matched(pooled, batch.group[batch.present[self.modality]]),
        }
        loss = sum((self.weights[name] * term for name, term in terms.items()), x.new_zeros(()))
        return Outcome(loss, {name: term.detach() for name, term in {"loss": loss, **terms}.items()})

    def _filled(self, view: View, coarsest: Tensor) -> Float[Tensor, ""]:
        return inpainting_loss(self.decoder(coarsest), view.x, view.hidden)

    def _told(self, view: View, pooled: Tensor) -> Float[Tensor, ""]:
        return functional.cross_entropy(self.turned(pooled).float(), view.turn)

    def _matched(self, pooled: list[Tensor], group: Tensor) -> Float[Tensor, ""]:
        """Volumes of one study are no negatives of each other [ours]."""
        first, second = (every_row(self.project(each)) for each in pooled)
        scale = first.new_tensor(1 / self.temperature)
        return nt_xent(first, second, scale, group=every_group(group, len(pooled[0]), first.device))


def _mean(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).mean()
