"""Blocks through which the tokens of one modality read those of another, usable in any model.

    from crossmod.fusion import BridgedCrossEncoder, QueryResampler, build_mask

`Box`, `Located`, `PositionPrompt`, `box_to_text`, `box_from_text`, `cheapest_assignment` and
`crossmod.fusion.settings` import no torch.
"""

from __future__ import annotations

from typing import Any

_HOME = {
    "AsymmetricFusionStack": "asymmetric_stack",
    "Box": "boxes",
    "BridgeInjection": "multi_level_bridge",
    "BridgedCrossEncoder": "bridged_encoder",
    "CoAttentionFusion": "pair_fusions",
    "CoAttentionLayer": "co_attention",
    "CrossAttentionLayer": "cross_attention",
    "DeformableFusion": "deformable_tokens",
    "DeformableSampler3D": "deformable_attention",
    "DeformableTokenSearch": "deformable_tokens",
    "Fused": "bridged_encoder",
    "FrameEncoder": "frame_encoder",
    "FusionInjector": "gated_injection",
    "Gate": "gate",
    "GatedBiAttention": "gated_bi_attention",
    "GatedInjection": "gated_injection",
    "Granular": "frame_encoder",
    "HiddenStateTap": "taps",
    "Injection": "injection",
    "JointStrideAttention": "strided_attention",
    "Located": "position_prompt",
    "MultiHeadAttention": "attention",
    "MultiLevelBridge": "multi_level_bridge",
    "MultiLevelProjection": "multi_level_bridge",
    "MultiSourceEncoder": "multi_source",
    "OwnStage": "co_attention",
    "PairHead": "pair_head",
    "PairPooler": "bridged_encoder",
    "PositionPrompt": "position_prompt",
    "PromptPool": "prompt_pool",
    "QUERY_TEXT_MASKS": "masks",
    "QueriedFusion": "pair_fusions",
    "QueryGroup": "resampler",
    "QueryResampler": "resampler",
    "RegionEmbedding": "co_attention",
    "Resampled": "resampler",
    "ResampledFusion": "pair_fusions",
    "SegmentPositions": "segment_positions",
    "Source": "resampler",
    "StandIns": "prompt_pool",
    "StreamStates": "two_stream",
    "TemporalStrideAttention": "strided_attention",
    "TokenPoolReplacer": "token_pool",
    "TokenReconstructionHead": "token_pool",
    "TwoStreamEncoder": "two_stream",
    "TwoStreamFusion": "pair_fusions",
    "attend": "attention",
    "box_from_text": "boxes",
    "box_to_text": "boxes",
    "build_mask": "masks",
    "cell_centres": "volume_sampling",
    "cheapest_assignment": "assignment",
    "concatenate_sources": "multi_source",
    "prefix_lengths": "masks",
    "reconstruction_loss": "token_pool",
    "sample_volume": "volume_sampling",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Lazily, so that the torch-free parts can be read without importing torch.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
