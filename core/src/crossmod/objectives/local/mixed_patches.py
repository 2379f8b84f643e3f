"""Mixed patches as a term of a recipe: which text does each patch of a mixture belong to (MixReorg, ICCV 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.local.patch_mixing import mix_patches, patch_sources
from crossmod.objectives.local.reconstruction import code_error, reduce_tokens
from crossmod.objectives.local.visible_tokens import scatter_visible
from crossmod.objectives.local.visible_tower import VisibleTower


class MixedPatchesObjective(Objective):
    """Samples of a set exchange patches place by place; every patch is to be matched with its own sample's text.

    The paper mixes features inside a grouping model, refreshes the mixture in later blocks and contrasts restored
    images; here the embedded patches are mixed before the tower's first block and each patch's state stands for
    itself [ours; the authors' code was never released]. Sets are consecutive rows that have both modalities; what
    does not fill a set is not scored, so chunks of a multiple of the members make the sets of the whole batch.

    Args:
        modality: The modality whose patches are mixed; its tower is a `VisibleTower`.
        text: The modality that says what a sample is.
        width: Width of its tower's states.
        text_width: Width of the other tower's pooled vector.
        members: Samples of a set. (2 to 4.)
        joint_width: Width that patches and texts are compared in.
        scale: 1/temperature of the comparison. (1/0.07, our choice.)
    """

    couples_batch = False

    def __init__(
        self,
        modality: str,
        text: str,
        width: int,
        text_width: int,
        *,
        members: int,
        joint_width: int,
        scale: float,
    ) -> None:
        super().__init__()
        self.modality, self.text, self.members, self.scale = modality, text, members, scale
        self.project = nn.Linear(width, joint_width, bias=False)
        self.project_text = nn.Linear(text_width, joint_width, bias=False)

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Mix, encode, match; scores the places where all members of a set have a patch."""
        tower = forwards.tower(self.modality)
        assert isinstance(tower, VisibleTower)
        own, other, _ = batch.common(self.modality, self.text)
        sets = len(own) // self.members
        rows = sets * self.members
        tokens = tower.tokenise(batch.inputs[self.modality].take(own[:rows]))
        shape = (sets, self.members, tokens.mask.shape[1])
        source, scored = self._sources(tokens.mask.view(shape))
        mixed = mix_patches(tokens.values.view(*shape, tokens.values.shape[2]), source).flatten(0, 1)
        seen = tower.encode_visible(tokens._replace(values=mixed), tokens.mask)
        states = scatter_visible(seen.values, seen, seen.values.new_zeros(seen.values.shape[2]), shape[2])
        projected = normalize(self.project(states).float(), dim=-1)
        patches = projected.view(*shape, projected.shape[-1])
        texts = normalize(self.project_text(forwards.features(self.text).pooled[other[:rows]]).float(), dim=-1)
        with torch.autocast(patches.device.type, enabled=False):
            logits = self.scale * torch.einsum("smlw,stw->smlt", patches, texts.view(*shape[:2], texts.shape[-1]))
        # `mixture_segmentation_loss` of the scored places, each set weighing the same: whole sets in chunks add up.
        costs = code_error(logits[scored], source[scored])
        loss = reduce_tokens(costs, scored.flatten(1), "row") * (rows / max(1, len(batch)))
        right = ((logits.argmax(-1) == source) & scored).sum() / scored.sum().clamp(min=1)
        return Outcome(loss, {"loss": loss.detach(), "accuracy": right.detach()})

    def _sources(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The sources, each patch its own where a member of the set has none, and the places that are mixed."""
        sets, members, length = mask.shape
        everywhere = mask.all(1, keepdim=True).expand_as(mask)
        drawn = patch_sources(sets, members, length).to(mask.device)
        itself = torch.arange(members, device=mask.device)[None, :, None].expand_as(drawn)
        return torch.where(everywhere, drawn, itself), everywhere
