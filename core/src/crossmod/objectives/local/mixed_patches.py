"""Mixed patches as a term of a recipe: which text does each patch of a mixture belong to (MixReorg, ICCV 2023)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.contracts.batch import Batch
from crossmod.contracts.objective import Forwards, Objective, Outcome
from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.objectives.local.mixed_branch import MixingPlan, mixing, source_places, tower_blocks
from crossmod.objectives.local.patch_mixing import mix_patches, patch_sources, restore_patches
from crossmod.objectives.local.reconstruction import code_error, reduce_tokens
from crossmod.objectives.local.visible_tokens import scatter_visible
from crossmod.objectives.local.visible_tower import VisibleTower

AT_THE_START = MixingPlan()
"""Mixed before the first block, without originals beside."""


class MixedStates(NamedTuple):
    """States of the mixtures of a batch.

    Shape:
        values: [sets, members, length, width]; zero at padding.
        source: [sets, members, length]; the member that each patch came from.
        scored: [sets, members, length]; where all members of the set have a patch.
        mask: [sets, members, length]; true = real patch.
    """

    values: Float[Tensor, "sets members length width"]
    source: Int64[Tensor, "sets members length"]
    scored: Bool[Tensor, "sets members length"]
    mask: Bool[Tensor, "sets members length"]

    def restored(self) -> Float[Tensor, "rows width"]:
        """The mean of every sample's own patches, brought back from the mixtures; zero without any."""
        own = restore_patches(self.values, self.source).flatten(0, 1)
        return own.sum(1) / self.mask.flatten(0, 1).sum(1, keepdim=True).clamp(min=1)


class MixedPatchesObjective(Objective):
    """Samples of a set exchange patches place by place; every patch is to be matched with its own sample's text.

    The paper groups the tokens of original, mixed and restored images; here each patch's state stands for itself, and
    a restored sample is the mean of its states, embedded as the model's pooled vectors are [ours; the authors' code
    was never released]. The contrast of originals is a recipe's own `InfoNCE`. Sets are consecutive rows that have
    both modalities; what does not fill a set is not scored, so chunks of a multiple of the members make the sets of
    the whole batch. The contrast of restored samples needs the whole batch, so chunked backward refuses it.

    Args:
        modality: The modality whose patches are mixed; its tower is a `VisibleTower`.
        text: The modality that says what a sample is.
        width: Width of its tower's states.
        text_width: Width of the other tower's pooled vector.
        members: Samples of a set. (2 to 4.)
        joint_width: Width that patches and texts are compared in.
        scale: 1/temperature of the comparison. (1/0.07, our choice.)
        plan: At what depth samples are mixed, and the refreshing of the mixture.
        restored_weight: Weight of the contrast of restored samples with their texts; 0 leaves it out.
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
        plan: MixingPlan = AT_THE_START,
        restored_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.modality, self.text, self.members, self.scale = modality, text, members, scale
        self.plan, self.restored_weight, self.couples_batch = plan, restored_weight, restored_weight > 0
        self.project = nn.Linear(width, joint_width, bias=False)
        self.project_text = nn.Linear(text_width, joint_width, bias=False)
        self.contrast = InfoNCELoss() if restored_weight else None

    def forward(self, forwards: Forwards, batch: Batch) -> Outcome:
        """Mix, encode, match; scores the places where all members of a set have a patch."""
        own, other, group = batch.common(self.modality, self.text)
        rows = len(own) // self.members * self.members
        text = forwards.features(self.text).pooled[other[:rows]]
        mixed = self._encode(forwards, batch, own[:rows])
        patches = normalize(self.project(mixed.values).float(), dim=-1)
        texts = normalize(self.project_text(text).float(), dim=-1).view(-1, self.members, patches.shape[-1])
        with torch.autocast(patches.device.type, enabled=False):
            logits = self.scale * torch.einsum("smlw,stw->smlt", patches, texts)
        # `mixture_segmentation_loss` of the scored places, each set weighing the same: whole sets in chunks add up.
        costs = code_error(logits[mixed.scored], mixed.source[mixed.scored])
        loss = reduce_tokens(costs, mixed.scored.flatten(1), "row") * (rows / max(1, len(batch)))
        right = ((logits.argmax(-1) == mixed.source) & mixed.scored).sum() / mixed.scored.sum().clamp(min=1)
        terms = {"accuracy": right.detach()}
        if self.contrast is not None and rows:
            restored = forwards.project(self.modality, mixed.restored())
            told = self.contrast(restored, forwards.embedding(self.text)[other[:rows]], group[:rows])
            terms |= {"segmentation": loss.detach(), "restored": told.terms["loss"], "scale": told.terms["scale"]}
            loss = loss + self.restored_weight * told.loss
        return Outcome(loss, {"loss": loss.detach(), **terms})

    def after_step(self) -> None:
        """Clamp the logit scale of the contrast."""
        if self.contrast is not None:
            self.contrast.scale.clamp_()

    def _encode(self, forwards: Forwards, batch: Batch, rows: Tensor) -> MixedStates:
        tower = forwards.tower(self.modality)
        assert isinstance(tower, VisibleTower)
        inputs, count = batch.inputs[self.modality], len(rows)
        tokens = tower.tokenise(inputs.take(torch.cat([rows, rows]) if self.plan.beside else rows))
        shape = (count // self.members, self.members, tokens.mask.shape[1])
        mask = tokens.mask[:count].view(shape)
        source, scored = self._sources(mask)
        values = tokens.values
        if not self.plan.after:
            first = mix_patches(values[:count].view(*shape, values.shape[2]), source).flatten(0, 1)
            values = torch.cat([values[:count], first]) if self.plan.beside else first
        tokens = tokens._replace(values=values)
        if self.plan.beside:
            with mixing(tower_blocks(tower, self.plan), source_places(source, mask), self.plan):
                seen = tower.encode_visible(tokens, tokens.mask)
        else:
            seen = tower.encode_visible(tokens, tokens.mask)
        states = scatter_visible(seen.values, seen, seen.values.new_zeros(seen.values.shape[2]), shape[2])
        mixtures = states[len(states) - count :].reshape(*shape, states.shape[2])
        return MixedStates(mixtures, source, scored, mask)

    def _sources(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The sources, each patch its own where a member of the set has none, and the places that are mixed."""
        sets, members, length = mask.shape
        everywhere = mask.all(1, keepdim=True).expand_as(mask)
        drawn = patch_sources(sets, members, length).to(mask.device)
        itself = torch.arange(members, device=mask.device)[None, :, None].expand_as(drawn)
        return torch.where(everywhere, drawn, itself), everywhere
