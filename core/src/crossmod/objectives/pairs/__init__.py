"""The pairwise family: one soft-target InfoNCE over logit builders and target builders, and the terms beside it.

    from crossmod.objectives.pairs import late_interaction, soft_target_infonce, from_groups

Settings for recipes stand in its `settings`, `token_settings` and `state_settings`, which import no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "aligned_phrases": ("LocalAlignmentLoss", "local_alignment", "phrase_negatives"),
        "aligned_phrases_objective": ("AttendedLocalAlignObjective", "TopKLocalAlignObjective"),
        "codebook": ("CodebookGrounding", "Grounding", "ground", "pooled_scores"),
        "continuous": ("ContinuousContrastLoss", "ContinuousObjective", "continuous_targets"),
        "counterparts": ("draw_counterparts",),
        "discrete_tokens": ("DiscreteTokenObjective",),
        "hinge": ("HardestNegativeHinge", "hardest_negative_hinge"),
        "identities": ("IdentityContrastLoss", "identity_contrast", "projected_logits", "reverse_divergence"),
        "intra_modal": ("intra_modal_contrast", "nt_xent"),
        "lead": ("Lead", "lead_over_batch"),
        "local_information": ("global_local_contrast", "pooled_regions"),
        "logits": ("best_query_logits", "cosine_logits"),
        "modality_gap": ("ModalityGapPenalty", "modality_gap_penalty"),
        "momentum": ("MomentumKeys", "momentum_contrast"),
        "momentum_objective": ("MomentumObjective", "MomentumSide", "MomentumWeights"),
        "multi_view": ("MultiViewObjective", "multi_view_infonce"),
        "noise": ("noise_adaptive_infonce",),
        "noise_objective": ("NoiseAdaptiveObjective",),
        "one_to_many": ("one_to_many_infonce",),
        "phrases": ("PhraseTower", "Phrases"),
        "simplex": ("sparsemax",),
        "smoothed": ("SmoothedInfoNCELoss",),
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
        "token_contrast": ("LateInteractionLoss", "LateInteractionObjective"),
        "token_reads": ("AttentionRead", "Read", "Selected", "read_selected", "select_top_tokens"),
        "token_reduction": ("GroupedLinear", "Reduced", "TokenReducer"),
        "token_scores": ("TokenSet", "best_matched", "late_interaction", "token_similarities"),
        "triple": ("Side", "TripleLoss", "triple_contrast"),
        "two_gaussians": ("noise_posterior",),
    },
)
