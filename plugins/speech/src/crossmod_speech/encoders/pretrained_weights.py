"""The encoder of a Hugging Face folder, and what has to be changed for utterances to be encoded side by side."""

from __future__ import annotations

import importlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.errors import UserError
from crossmod.text.huggingface_folder import CONFIG, read_weights
from crossmod_speech.encoders.pretrained_folder import SPECTRUM_TYPES


def pretrained_encoder(folder: str | Path) -> Any:
    """The encoder of a folder with its weights, from safetensors only, in float32.

    Raises:
        UserError: The weights cannot be read or are incomplete.
    """
    # The learned vector of masked pre-training is not read here, and fine-tuned checkpoints may lack it.
    return _encoder(read_weights(Path(folder), unused="masked_spec_embed"))


def untrained_encoder(config: bytes) -> Any:
    """The encoder that the content of a config.json describes, its weights drawn at random, in float32.

    Raises:
        UserError: transformers is not installed.
    """
    try:
        library: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise UserError(
            "a Hugging Face speech encoder takes the transformers library, which is not installed; "
            'run: pip install "crossmod[huggingface]"'
        ) from error
    with TemporaryDirectory() as copy:
        (Path(copy) / CONFIG).write_bytes(config)
        described = library.AutoConfig.from_pretrained(copy, local_files_only=True, trust_remote_code=False)
    return _encoder(library.AutoModel.from_config(described, trust_remote_code=False).float())


class MaskedChannelNorm(nn.Module):
    """Group norm of single channels over time, over an utterance's own frames alone.

    wav2vec2's base models normalise the first convolution over everything that was given, so that an utterance's
    features change with the padding behind it; transformers leaves it so. Over its own frames they do not.

    Args:
        norm: The group norm, one group a channel, whose weights are taken.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        assert norm.num_groups == norm.num_channels
        self.norm = norm
        self.frames: Int64[Tensor, "batch"] | None = None
        """Frames of every utterance in the next call; None counts all."""

    def forward(self, values: Float[Tensor, "batch channels frames"]) -> Float[Tensor, "batch channels frames"]:
        """Normalise; zero behind an utterance."""
        if self.frames is None:
            whole: Tensor = self.norm(values)
            return whole
        inside = (torch.arange(values.shape[2], device=values.device) < self.frames[:, None])[:, None]
        wide = values.float().masked_fill(~inside, 0.0)
        counts = self.frames[:, None, None].clamp(min=1)
        centred = (wide - wide.sum(2, keepdim=True) / counts).masked_fill(~inside, 0.0)
        normed = centred * (centred.square().sum(2, keepdim=True) / counts + self.norm.eps).rsqrt()
        scaled = normed * self.norm.weight[:, None] + self.norm.bias[:, None]
        return scaled.masked_fill(~inside, 0.0).to(values.dtype)


def convolved_length(
    samples: Int64[Tensor, "*batch"], kernels: tuple[int, ...], strides: tuple[int, ...]
) -> Int64[Tensor, "*batch"]:
    """Frames behind convolutions without padding: floor((n - kernel) / stride) + 1, one after the other.

    >>> convolved_length(torch.tensor(16000), (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    tensor(49)
    """
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def receptive_field(kernels: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """The fewest samples that give a frame.

    >>> receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    400
    """
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field


def _encoder(model: Any) -> Any:
    """The part of a model that encodes, without what draws outside of torch's generator or skips layers at random."""
    config = model.config
    if config.model_type in SPECTRUM_TYPES:
        model = model.encoder
        model.layerdrop = 0.0
        return model
    # Masks of transformers' own come from numpy's generator; layers that are skipped leave no state to weigh.
    config.apply_spec_augment = False
    config.layerdrop = 0.0
    if hasattr(model, "masked_spec_embed"):
        model.masked_spec_embed.requires_grad_(False)
    if config.feat_extract_norm == "group":
        first = model.feature_extractor.conv_layers[0]
        first.layer_norm = MaskedChannelNorm(first.layer_norm)
    return model
