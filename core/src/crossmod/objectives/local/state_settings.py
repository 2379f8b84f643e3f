"""Settings of the local objectives that keep state or a decoder of their own (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.objectives.local.requirements import (
    require_multiple,
    require_positive,
    require_share,
    token_tower,
)
from crossmod.objectives.settings import require_modalities
from crossmod.recipe import ObjectiveSettings

if TYPE_CHECKING:
    from crossmod.contracts.objective import Objective
    from crossmod.contracts.tower import Tower


@dataclass(frozen=True, kw_only=True)
class SelfDistillation(ObjectiveSettings):
    """Parts of a sample agree with a slow teacher's view of more of it (DINO, arXiv:2104.14294; RS-M-CLIP).

    Views are contiguous sets of tokens [ours; DINO crops pixels]. RS-M-CLIP's own weight, shares and numbers of views
    are not verified; the values here are DINO's.

    Args:
        modality: The modality whose tower learns; a tower of patches or of tokens.
        outputs: Prototypes. (65,536 in DINO; 4,096 is our choice for small corpora.)
        hidden: Width of the head's hidden layers. (2048 in DINO.)
        bottleneck: Width of the head's normalised vector. (256 in DINO.)
        global_views: Views that the teacher sees. (2.)
        local_views: Further views of the student. (8 in DINO.)
        global_smallest: Least share of the tokens in a global view. (0.4.)
        local_smallest: Least share of the tokens in a local view. (0.05.)
        local_largest: Largest share of the tokens in a local view. (0.4.)
        student_temperature: (0.1.)
        temperature: Of the teacher at the start. (0.04.)
        last_temperature: Of the teacher after the warm-up. (0.07 for DINO's ViTs; 0.04 keeps it constant.)
        temperature_steps: Steps of that warm-up. (30 epochs in DINO.)
        momentum: Weight of the past in the teacher at the start. (0.996.)
        momentum_steps: Steps over which it goes to 1 along half a cosine (all of the run in DINO); 0 keeps it.
        centre_momentum: Weight of the past in the centre. (0.9.)
        frozen_steps: First steps in which the prototypes stay. (One epoch in DINO.)
    """

    modality: str
    outputs: int = 4096
    hidden: int = 2048
    bottleneck: int = 256
    global_views: int = 2
    local_views: int = 4
    global_smallest: float = 0.4
    local_smallest: float = 0.05
    local_largest: float = 0.4
    student_temperature: float = 0.1
    temperature: float = 0.04
    last_temperature: float = 0.04
    temperature_steps: int = 0
    momentum: float = 0.996
    momentum_steps: int = 0
    centre_momentum: float = 0.9
    frozen_steps: int = 0

    def __post_init__(self) -> None:
        require_positive(outputs=self.outputs, hidden=self.hidden, bottleneck=self.bottleneck)
        require_positive(global_views=self.global_views)
        if self.local_views < 0 or self.global_views + self.local_views < 2:
            raise UserError(
                f"{self.global_views} global and {self.local_views} local views form no pair; give two or more in all."
            )
        if not (0 < self.global_smallest <= 1 and 0 < self.local_smallest <= self.local_largest <= 1):
            raise UserError(
                f"views of {self.global_smallest} to 1 and {self.local_smallest} to {self.local_largest} of a sample "
                "are none; give shares with 0 < smallest <= largest <= 1."
            )
        if not min(self.student_temperature, self.temperature, self.last_temperature) > 0:
            raise UserError("a temperature of SelfDistillation is not positive; DINO takes 0.1 and 0.04.")
        if not (0 <= self.momentum <= 1 and 0 <= self.centre_momentum < 1):
            raise UserError(
                f"momentum is {self.momentum} and centre_momentum {self.centre_momentum}; both lie between 0 and 1, "
                "the centre's below 1."
            )

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.contracts.tower import TokenTower
        from crossmod.objectives.local.distillation_head import DistillationHead
        from crossmod.objectives.local.self_distillation_objective import (
            SelfDistillationObjective,
            TeacherPlan,
            ViewPlan,
        )
        from crossmod.objectives.local.visible_tower import VisibleTower

        require_modalities(towers, self.modality)
        tower = towers[self.modality]
        if not isinstance(tower, TokenTower | VisibleTower):
            raise UserError(
                f"SelfDistillation encodes parts of {self.modality!r}, which its tower {type(tower).__name__} cannot; "
                "choose a tower of patches or of tokens."
            )
        head = DistillationHead(tower.width, self.outputs, hidden=self.hidden, bottleneck=self.bottleneck)
        views = ViewPlan(
            self.global_views, self.local_views, (self.global_smallest, 1.0), (self.local_smallest, self.local_largest)
        )
        teacher = TeacherPlan(
            student_temperature=self.student_temperature,
            temperature=self.temperature,
            last_temperature=self.last_temperature,
            temperature_steps=self.temperature_steps,
            momentum=self.momentum,
            momentum_steps=self.momentum_steps,
            frozen_steps=self.frozen_steps,
        )
        return SelfDistillationObjective(
            self.modality, tower, head, views, teacher, centre_momentum=self.centre_momentum
        )


@dataclass(frozen=True, kw_only=True)
class VectorQuantisation(ObjectiveSettings):
    """Tokens of one or more modalities through one codebook and back (VQ-VAE; SpeechT5; DistilCodec).

    Args:
        modalities: The modalities that share the codebook; each tower is one of patches or of tokens.
        kind: "nearest" (moving averages, arXiv:1711.00937) or "gumbel" (arXiv:2110.07205).
        width: Width of the codebook.
        codes: Codes of each stage or group.
        parts: Residual stages of "nearest" (1 in DistilCodec's student), groups of "gumbel" (2 in SpeechT5).
        decay: Weight of the past in the moving averages. (0.8 in DistilCodec, 0.99 in VQ-VAE.)
        dead_below: Tokens a batch below which a code is put on a random token; 0 leaves it. [ours]
        commitment: Weight of the distance to the code, for "nearest". (0.25 in VQ-VAE, 10 in DistilCodec.)
        diversity: Weight of the diversity term, for "gumbel". (0.1.)
        standardised: Rebuild every patch by its own mean and deviation.
        usage_steps: Steps after which the counts of used codes begin anew.
    """

    modalities: tuple[str, ...]
    kind: Literal["nearest", "gumbel"] = "nearest"
    width: int = 64
    codes: int = 512
    parts: int = 1
    decay: float = 0.99
    dead_below: float = 0.01
    commitment: float = 0.25
    diversity: float = 0.1
    standardised: bool = False
    usage_steps: int = 1000

    def __post_init__(self) -> None:
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise UserError(
                f"VectorQuantisation has the modalities {list(self.modalities)}; name each once, at least one."
            )
        require_positive(width=self.width, codes=self.codes, parts=self.parts, usage_steps=self.usage_steps)
        if not 0 <= self.decay < 1 or min(self.dead_below, self.commitment, self.diversity) < 0:
            raise UserError(
                f"decay is {self.decay}, which lies in [0, 1); dead_below {self.dead_below}, commitment "
                f"{self.commitment} and diversity {self.diversity} are not negative."
            )
        if self.kind == "gumbel":
            require_multiple(self.width, self.parts, 1)

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.contracts.tower import TokenTower
        from crossmod.objectives.local.gumbel_quantiser import GumbelQuantiser
        from crossmod.objectives.local.patch_targets import patch_target
        from crossmod.objectives.local.quantised_tokens import (
            QuantisedSide,
            QuantisedTokensObjective,
            QuantisedWeights,
        )
        from crossmod.objectives.local.residual_quantiser import ResidualQuantiser
        from crossmod.objectives.local.visible_tower import VisibleTower

        require_modalities(towers, *self.modalities)
        sides = {}
        for modality in self.modalities:
            tower = towers[modality]
            if not isinstance(tower, TokenTower | VisibleTower):
                raise UserError(
                    f"VectorQuantisation rebuilds tokens of {modality!r}, but its tower {type(tower).__name__} has "
                    "none; choose a tower of patches or of tokens."
                )
            kind: Literal["values", "codes"] = "values" if isinstance(tower, VisibleTower) else "codes"
            target = patch_target(kind, tower, standardised=self.standardised)
            sides[modality] = QuantisedSide(tower.width, self.width, target)
        quantiser: ResidualQuantiser | GumbelQuantiser
        if self.kind == "gumbel":
            quantiser = GumbelQuantiser(self.width, self.codes, self.parts)
        else:
            quantiser = ResidualQuantiser(
                self.width, self.codes, self.parts, decay=self.decay, dead_below=self.dead_below
            )
        weights = QuantisedWeights(self.commitment, self.diversity)
        return QuantisedTokensObjective(sides, quantiser, weights, usage_steps=self.usage_steps)


@dataclass(frozen=True, kw_only=True)
class SpanDenoising(ObjectiveSettings):
    """Hide spans of a text and write them with a light decoder (T5, arXiv:1910.10683; UniXcoder, arXiv:2203.03850).

    Args:
        modality: The modality whose tokens are hidden; its tower must offer tokens.
        share: Share of the tokens that spans cover. (0.15 in T5 and UniXcoder.)
        mean_length: Mean length of a span. (3 in T5, 5 in UniXcoder.)
        spans: Most spans of a text. (Our choice; T5 reserves 100 sentinels.)
        width: Width of the decoder; even. (Our choice: a light decoder leaves the work to the tower.)
        depth: Blocks of the decoder. (Our choice.)
        heads: Attention heads of the decoder.
    """

    modality: str
    share: float = 0.15
    mean_length: int = 3
    spans: int = 100
    width: int = 128
    depth: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        require_share(self.share)
        require_positive(mean_length=self.mean_length, spans=self.spans, width=self.width)
        require_positive(depth=self.depth, heads=self.heads)
        require_multiple(self.width, self.heads, 2)

    def build(self, towers: Mapping[str, Tower]) -> Objective:
        """Make the objective."""
        from crossmod.objectives.local.span_language import SpanDenoisingObjective

        tower = token_tower(towers, self.modality, "SpanDenoising")
        return SpanDenoisingObjective(
            self.modality,
            tower.width,
            tower.vocabulary,
            share=self.share,
            mean_length=self.mean_length,
            spans=self.spans,
            decoder_width=self.width,
            depth=self.depth,
            heads=self.heads,
        )
