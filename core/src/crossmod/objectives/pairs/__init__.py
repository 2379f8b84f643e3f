"""The pairwise family: one soft-target InfoNCE over logit builders and target builders, and the terms beside it.

    from crossmod.objectives.pairs import late_interaction, soft_target_infonce, from_groups

Settings for recipes stand in its `settings`, `token_settings` and `state_settings`, which import no torch.
"""

from __future__ import annotations

from typing import Any

_MODULES = {
    "soft_targets": ("PairLoss", "soft_cross_entropy", "soft_target_infonce"),
    "targets": (
        "doubt_of",
        "from_groups",
        "identity",
        "label_smoothed",
        "momentum_soft",
        "noise_smoothed",
        "ramped_share",
        "target_entropy",
    ),
    "logits": ("best_query_logits", "cosine_logits"),
    "token_scores": ("LateScores", "TokenSet", "best_matched", "late_interaction", "token_similarities"),
    "token_contrast": ("LateInteractionLoss", "LateInteractionObjective"),
    "token_reduction": ("GroupedLinear", "Reduced", "TokenReducer"),
    "simplex": ("sparsemax",),
    "codebook": ("CodebookGrounding", "Grounding", "ground", "pooled_scores"),
    "discrete_tokens": ("DiscreteTokenObjective",),
    "continuous": ("ContinuousContrastLoss", "ContinuousObjective", "continuous_targets"),
    "momentum": ("MomentumKeys", "momentum_contrast"),
    "momentum_objective": ("MomentumObjective", "MomentumSide", "MomentumWeights"),
    "intra_modal": ("intra_modal_contrast", "nt_xent"),
    "local_information": ("global_local_contrast", "pooled_regions"),
    "triple": ("Side", "TripleLoss", "triple_contrast"),
    "modality_gap": ("ModalityGapPenalty", "modality_gap_penalty"),
    "multi_view": ("MultiViewObjective", "multi_view_infonce"),
    "hinge": ("HardestNegativeHinge", "hardest_negative_hinge"),
    "identities": ("IdentityContrastLoss", "identity_contrast", "projected_logits", "reverse_divergence"),
    "lead": ("Lead", "lead_over_batch"),
    "noise": ("noise_adaptive_infonce",),
    "noise_objective": ("NoiseAdaptiveObjective",),
    "two_gaussians": ("noise_posterior",),
    "one_to_many": ("one_to_many_infonce",),
    "smoothed": ("SmoothedInfoNCELoss",),
}
_HOME = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazily, so that the settings beside these modules can be read without importing torch.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
