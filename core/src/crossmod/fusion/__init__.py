"""Blocks through which the tokens of one modality read those of another, usable in any model.

    from crossmod.fusion import BridgedCrossEncoder, QueryResampler, build_mask

`Box`, `Located`, `PositionPrompt`, `box_to_text`, `box_from_text`, `cheapest_assignment` and
`crossmod.fusion.settings` import no torch.
"""

from __future__ import annotations

from crossmod.lazy import lazy_names

__all__, __getattr__ = lazy_names(
    __name__,
    {
        "assignment": ("cheapest_assignment",),
        "asymmetric_stack": ("AsymmetricFusionStack",),
        "attention": ("MultiHeadAttention", "attend"),
        "boxes": ("Box", "box_from_text", "box_to_text"),
        "bridged_encoder": ("BridgedCrossEncoder", "Fused", "PairPooler"),
        "bridged_fusion": ("BridgedFusion",),
        "co_attention": ("CoAttentionLayer", "OwnStage", "RegionEmbedding"),
        "cross_attention": ("CrossAttentionLayer",),
        "cross_granularity": ("CrossGranularityDecoder", "CrossGranularityLayer"),
        "deformable_attention": ("DeformableSampler3D",),
        "deformable_tokens": ("DeformableFusion", "DeformableTokenSearch"),
        "frame_encoder": ("FrameEncoder", "Granular"),
        "gate": ("Gate",),
        "gated_bi_attention": ("GatedBiAttention",),
        "gated_injection": ("FusionInjector", "GatedInjection"),
        "injection": ("Injection",),
        "masks": ("QUERY_TEXT_MASKS", "build_mask", "prefix_lengths"),
        "modality_calibration": ("ModalityCalibration",),
        "multi_level_bridge": ("BridgeInjection", "MultiLevelBridge", "MultiLevelProjection"),
        "multi_source": ("MultiSourceEncoder", "concatenate_sources"),
        "pair_fusions": ("CoAttentionFusion", "QueriedFusion", "ResampledFusion", "TwoStreamFusion"),
        "pair_head": ("PairHead",),
        "position_prompt": ("Located", "PositionPrompt"),
        "prompt_pool": ("PromptPool", "StandIns"),
        "resampler": ("QueryGroup", "QueryResampler", "Resampled", "Source"),
        "segment_positions": ("SegmentPositions",),
        "strided_attention": ("JointStrideAttention", "TemporalStrideAttention"),
        "taps": ("HiddenStateTap",),
        "token_pool": ("TokenPoolReplacer", "TokenReconstructionHead", "reconstruction_loss"),
        "two_stream": ("StreamStates", "TwoStreamEncoder"),
        "volume_sampling": ("cell_centres", "sample_volume"),
    },
)
