"""Objectives that score a pair jointly, or a part of it: matching, pseudo-labels, order, boxes.

Settings for recipes stand in `crossmod.objectives.matching.settings`, which imports no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "alternation": ("AlternatingObjective", "Alternation"),
        "answers": ("answer_cross_entropy", "draw_answers"),
        "attached_inputs": ("RowsOfAttached", "attached_by_row", "embed_attached", "find_attached"),
        "boxes": ("BoxTerms", "box_loss", "box_mask", "corners", "generalised_iou", "iou", "overlap_quality"),
        "contrast_rows": ("row_contrast",),
        "cross_resolution": ("CrossResolutionConsistency", "resolution_contrast", "resolution_prediction"),
        "entity_prompter": ("EntityPrompter", "NamedRegions", "PromptedPseudoLabel", "cut_out"),
        "event_contrast": ("LocalTextContrast", "OrderContrast", "order_accuracy"),
        "event_objectives": ("CaptionedMomentsObjective", "EventOrderObjective"),
        "event_order": ("ComposedEvents", "compose_events", "draw_events", "join_texts", "reordered_texts"),
        "focal": ("dice_loss", "quality_focal_loss", "sigmoid_focal_loss"),
        "hard_negatives": ("DrawnPairs", "draw_hard_negatives", "negative_pairs"),
        "objective": ("MatchingObjective",),
        "order_shuffling": ("Shuffling", "shuffled_places", "shuffling_test"),
        "pair_fusion": ("ConcatenatedTokens", "PairFusion"),
        "pair_matching": (
            "CandidatePairs",
            "PairMatchingLoss",
            "hard_candidates",
            "matching_cross_entropy",
            "permuted_candidates",
            "replaced_candidates",
        ),
        "region_prompting": ("PartEncoder", "PromptedRegionsObjective", "prompter_of"),
        "reranking": ("rerank",),
        "uniform_negatives": ("draw_derangement", "draw_uniform_negatives"),
        "views": ("CrossResolutionObjective", "MomentWordObjective"),
        "word_moments": ("MomentWordContrast", "moment_text", "select_words"),
    },
)
