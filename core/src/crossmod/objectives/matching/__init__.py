"""Objectives that score a pair jointly, or a part of it: matching, pseudo-labels, order, boxes.

Settings for recipes stand in `crossmod.objectives.matching.settings`, which imports no torch.
"""

from __future__ import annotations

from typing import Any

_HOME = {
    "AlternatingObjective": "alternation",
    "Alternation": "alternation",
    "BoxTerms": "boxes",
    "CandidatePairs": "pair_matching",
    "ComposedEvents": "event_order",
    "ConcatenatedTokens": "pair_fusion",
    "CrossResolutionConsistency": "cross_resolution",
    "CrossResolutionObjective": "views",
    "DrawnPairs": "hard_negatives",
    "EntityPrompter": "entity_prompter",
    "LocalTextContrast": "event_contrast",
    "MatchingObjective": "objective",
    "MomentWordContrast": "word_moments",
    "MomentWordObjective": "views",
    "NamedRegions": "entity_prompter",
    "OrderContrast": "event_contrast",
    "PairFusion": "pair_fusion",
    "PairMatchingLoss": "pair_matching",
    "PromptedPseudoLabel": "entity_prompter",
    "Shuffling": "order_shuffling",
    "answer_cross_entropy": "answers",
    "box_loss": "boxes",
    "box_mask": "boxes",
    "compose_events": "event_order",
    "corners": "boxes",
    "cut_out": "entity_prompter",
    "dice_loss": "focal",
    "draw_answers": "answers",
    "draw_derangement": "uniform_negatives",
    "draw_events": "event_order",
    "draw_hard_negatives": "hard_negatives",
    "draw_uniform_negatives": "uniform_negatives",
    "generalised_iou": "boxes",
    "hard_candidates": "pair_matching",
    "iou": "boxes",
    "join_texts": "event_order",
    "matching_cross_entropy": "pair_matching",
    "moment_text": "word_moments",
    "negative_pairs": "hard_negatives",
    "order_accuracy": "event_contrast",
    "overlap_quality": "boxes",
    "permuted_candidates": "pair_matching",
    "quality_focal_loss": "focal",
    "reordered_texts": "event_order",
    "replaced_candidates": "pair_matching",
    "rerank": "reranking",
    "resolution_contrast": "cross_resolution",
    "resolution_prediction": "cross_resolution",
    "row_contrast": "contrast_rows",
    "select_words": "word_moments",
    "shuffled_places": "order_shuffling",
    "shuffling_test": "order_shuffling",
    "sigmoid_focal_loss": "focal",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazily, so that the settings beside these modules can be read without importing torch.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
