"""The local family: terms that are additive over samples, so that a batch can be scored in parts.

    from crossmod.objectives.local import MaskedAutoencoder, VectorQuantiser, block_masking, masked_reconstruction_loss

Settings for recipes stand in its `settings`, `state_settings` and `mixed_settings`, which import no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "attribute_prediction": ("AttributePrediction", "find_phrases"),
        "cluster_prediction": ("ClusterPrediction",),
        "code_usage": ("CodeUsage", "code_diversity_loss", "code_perplexity"),
        "colourisation": ("TextChannelAttention", "TextGuidedColouriser", "colourisation_loss", "to_grey"),
        "colourisation_objective": ("TextGuidedColourisationObjective",),
        "corruption": ("Fate", "corrupt_ids", "draw_fates", "swap_values"),
        "distillation_head": ("DistillationHead",),
        "evidence": ("visible_part",),
        "grounded_language": ("GroundedLanguageObjective",),
        "gumbel_quantiser": (
            "GumbelQuantised",
            "GumbelQuantiser",
            "gumbel_one_hot",
            "gumbel_temperature",
            "replace_by_codes",
        ),
        "least_squares_gan": (
            "adversary_loss",
            "feature_matching_loss",
            "generator_loss",
            "with_stopped_parameters",
        ),
        "masked_autoencoder": ("CrossModalDecoder", "MaskedAutoencoder", "TokenDecoder"),
        "masked_language": ("AttributePredictionObjective", "MaskedLanguageObjective"),
        "masked_modalities": ("MaskedModalitiesObjective", "MaskedSide", "ModalityMasking"),
        "masked_patches": ("MaskedPatchesObjective", "PatchMasker"),
        "masked_regions": (
            "HiddenRegions",
            "MaskedRegionLoss",
            "hide_regions",
            "region_feature_loss",
            "region_label_loss",
        ),
        "maskers": (
            "block_masking",
            "group_masking",
            "hidden_counts",
            "hide_lowest",
            "span_masking",
            "tube_masking",
            "uniform_masking",
        ),
        "mixed_patches": ("MixedPatchesObjective",),
        "modality_masking": ("dirichlet_masking", "dirichlet_shares"),
        "named_segments": ("zero_shot_segmentation",),
        "patch_grouping": ("Grouped", "GroupingBlock", "assign_groups", "grouped_patch_logits", "mean_of_group"),
        "patch_mixing": ("mix_patches", "mixture_segmentation_loss", "patch_sources", "restore_patches"),
        "patch_targets": ("PatchTarget", "patch_target"),
        "patches": (
            "grid_coordinates",
            "patchify",
            "sinusoidal_positions",
            "standardise_patches",
            "trimmed_standardise",
            "unpatchify",
        ),
        "prefix": ("draw_prefixes", "next_token_loss", "shift_right"),
        "prefix_language": ("PrefixLanguageObjective",),
        "prompted_labels": ("confident", "draw_crop", "entity_prototypes", "pool_inside", "prompted_label_loss"),
        "quantised_tokens": ("QuantisedSide", "QuantisedTokensObjective", "QuantisedWeights"),
        "reconstruction": (
            "absolute_error",
            "chamfer_error",
            "code_error",
            "masked_cross_entropy",
            "masked_reconstruction_loss",
            "quantile_error",
            "reduce_tokens",
            "squared_error",
        ),
        "residual_quantiser": ("GroupedQuantiser", "ResidualQuantiser"),
        "self_distillation": (
            "DistillationCentre",
            "self_distillation_loss",
            "teacher_momentum_at",
            "teacher_temperature_at",
        ),
        "self_distillation_objective": ("SelfDistillationObjective", "TeacherPlan", "ViewPlan"),
        "span_denoising": ("Denoising", "Span", "cut_spans", "draw_spans", "fill_spans", "infill"),
        "span_language": ("SpanDenoisingObjective",),
        "spectrogram": ("previous_frames", "spectrogram_loss", "stop_loss"),
        "staged_tower": ("StagedTower",),
        "slow_labels": ("SlowLabels",),
        "token_scores": ("score_tokens",),
        "token_transformer": ("TokenTransformer", "attention_visibility"),
        "uncertainty_weights": ("UncertaintyWeights",),
        "vector_quantiser": ("Quantised", "VectorQuantiser", "nearest_codes", "straight_through"),
        "views": ("draw_view", "encode_view", "pool_visible", "token_coordinates"),
        "visible_tokens": ("VisibleTokens", "gather_visible", "scatter_visible"),
        "visible_tower": ("VisibleTower",),
        "word_tower": ("WordTower",),
    },
)
