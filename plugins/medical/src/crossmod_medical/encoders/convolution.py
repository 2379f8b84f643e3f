"""Networks of MONAI as towers: residual networks of two and three axes, and SwinUNETR's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from monai.networks.nets.resnet import ResNet
from monai.networks.nets.swin_unetr import SwinTransformer
from torch import Tensor, nn

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod_medical.encoders.centring import BatchCentring

Norm = Literal["group", "batch", "instance"]

LAYERS: dict[int, tuple[int, int, int, int]] = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks of each stage by depth (ResNet, arXiv:1512.03385; ten layers as in Med3D, arXiv:1904.00625)."""

GROUPS = 8


class ResidualTower(Tower):
    """A residual network (arXiv:1512.03385), MONAI's, whose last map gives the tokens and their mean the vector.

    Args:
        processor: What makes its inputs, whose `x` is [samples, channels, *axes].
        axes: Number of axes: 2 for images, 3 for volumes.
        channels: Channels of the inputs.
        depth: 10, 18, 34 or 50 layers.
        base: Channels of the first stage, doubled in each of the three that follow.
        norm: "group" keeps samples independent of their batch, "batch" is as published.
        stem_stride: Stride of the first convolution; a pooling of stride two follows it unless it is 1.
        stem_size: Extent of the first convolution along every axis.
    """

    def __init__(
        self,
        processor: Processor,
        *,
        axes: int,
        channels: int,
        depth: int,
        base: int,
        norm: Norm,
        stem_stride: int,
        stem_size: int = 7,
    ) -> None:
        super().__init__()
        self.processor = processor
        block = "bottleneck" if depth >= 50 else "basic"
        self.width = 8 * base * (4 if block == "bottleneck" else 1)
        self.stage_channels = [self.width // 2**stage for stage in (3, 2, 1, 0)]
        self.network = ResNet(
            block,
            list(LAYERS[depth]),
            [base, 2 * base, 4 * base, 8 * base],
            spatial_dims=axes,
            n_input_channels=channels,
            conv1_t_size=stem_size,
            conv1_t_stride=stem_stride,
            no_max_pool=stem_stride == 1,
            feed_forward=False,
            bias_downsample=False,
        )
        # MONAI hands its own option to the stem alone: the blocks would keep batch norm.
        _replace_norms(self.network, norm)

    def forward(self, inputs: Any, /) -> Features:
        """Encode pictures."""
        network = self.network
        if not len(inputs):
            # Pooling layers refuse what holds nothing.
            return _nothing(inputs.x, self.width)
        held = network.act(network.bn1(network.conv1(inputs.x)))
        held = held if network.no_max_pool else network.maxpool(held)
        maps = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            held = stage(held)
            maps.append(held)
        return _features(maps)

    def local(self, inputs: Any, /) -> Float[Tensor, "samples *places width"]:
        """The last map, whose mean over its places is the pooled vector."""
        return _last_map(self, inputs)


class SwinTower(Tower):
    """SwinUNETR's encoder (arXiv:2201.01266), MONAI's; VELVET-Med's vision tower as our sheet defines it.

    That VELVET-Med takes this encoder is [C]: its paper's body was not read and no code of it was found.
    `Features.hidden` has the maps of all five resolutions, finest first, each [samples, channels, *axes].

    Args:
        processor: What makes its inputs.
        channels: Channels of the inputs.
        base: Channels of the finest map, doubled with every halving (48 in SwinUNETR).
        depths: Blocks of each of the four stages.
        heads: Attention heads of each.
        window: Extent of an attention window along every axis (7).
        checkpointing: Recompute blocks in the backward pass, for memory.
        centred: Pooled vectors lose what all samples of a batch have in common.
    """

    def __init__(
        self,
        processor: Processor,
        *,
        channels: int,
        base: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        checkpointing: bool,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.processor, self.width = processor, 16 * base
        self.channels, self.stage_channels = channels, [base * 2**stage for stage in range(5)]
        self.network = SwinTransformer(
            in_chans=channels,
            embed_dim=base,
            window_size=[window] * 3,
            patch_size=[2] * 3,
            depths=list(depths),
            num_heads=list(heads),
            use_checkpoint=checkpointing,
            spatial_dims=3,
        )
        self.centring = BatchCentring(self.width) if centred else None

    def forward(self, inputs: Any, /) -> Features:
        """Encode volumes."""
        if not len(inputs):
            return _nothing(inputs.x, self.width)
        features = _features(self.stages(inputs.x))
        return features if self.centring is None else features._replace(pooled=self.centring(features.pooled))

    def stages(self, x: Float[Tensor, "batch channels *axes"]) -> list[Float[Tensor, "batch _ *axes"]]:
        """The maps of pictures as `Inputs.x` gives them, finest first: after the patches, then after every stage."""
        return list(self.network(x))

    def local(self, inputs: Any, /) -> Float[Tensor, "samples *places width"]:
        """The last map, centred as in evaluation, whose mean over its places is the pooled vector."""
        local = _last_map(self, inputs)
        return local if self.centring is None else self.centring.applied(local)


def _last_map(tower: Tower, inputs: Any) -> Float[Tensor, "samples *places width"]:
    """The last map of a network with channels last, whose mean over the places is the pooled vector."""
    features: Features = tower(inputs)
    if not len(inputs) or features.hidden is None:
        return features.pooled.new_zeros(0, 1, 1, 1, tower.width)
    last: Tensor = features.hidden[-1]
    return last.movedim(1, -1)


def _replace_norms(module: nn.Module, norm: Norm) -> None:
    """Put the norm asked for in the place of every batch norm."""
    for name, child in module.named_children():
        if not isinstance(child, nn.BatchNorm2d | nn.BatchNorm3d):
            _replace_norms(child, norm)
        elif norm == "group":
            setattr(module, name, nn.GroupNorm(GROUPS, child.num_features))
        elif norm == "instance":
            kind = nn.InstanceNorm2d if isinstance(child, nn.BatchNorm2d) else nn.InstanceNorm3d
            setattr(module, name, kind(child.num_features, affine=True))


def _features(maps: Sequence[Float[Tensor, "batch _ *axes"]]) -> Features:
    """The last map's places as tokens, their mean as the pooled vector."""
    tokens = maps[-1].flatten(2).transpose(1, 2)
    mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    return Features(tokens.mean(1), tokens, mask, hidden=list(maps))


def _nothing(x: Tensor, width: int) -> Features:
    """Features of no sample, still of the input's device and type."""
    tokens = x.new_zeros(0, 1, width)
    return Features(tokens[:, 0], tokens, torch.ones(0, 1, dtype=torch.bool, device=x.device))
