"""Frames that a decoder writes one after the other: its inputs, the error of its frames, and where it stops (SpeechT5).

Frames are a series of vectors of any kind: log-mel spectra, motion, sensor readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.local.reconstruction import absolute_error, masked_reconstruction_loss
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened


def previous_frames(
    target: Float[Tensor, "batch length bins"], reduction: int = 2
) -> Float[Tensor, "batch steps bins"]:
    """What a decoder that writes `reduction` frames a step has before each: the last frame of the step before.

    The first step has a zero frame. Frames that do not fill a step are left out, so that targets are cut to
    steps * reduction frames. (2 in SpeechT5, arXiv:2110.07205.)

    Shape:
        target: [batch, length, bins].

    Returns:
        [batch, length // reduction, bins].

    Raises:
        ValueError: `reduction` is below 1.
    """
    if reduction < 1:
        raise ValueError(f"a decoder writes {reduction} frames a step; it writes at least 1")
    steps = target.shape[1] // reduction
    last = target[:, reduction - 1 :: reduction][:, :steps]
    return functional.pad(last, (0, 0, 1, 0))[:, :steps]


def spectrogram_loss(
    predictions: Sequence[Float[Tensor, "batch length bins"]],
    target: Float[Tensor, "batch length bins"],
    mask: Bool[Tensor, "batch length"],
) -> Float[Tensor, ""]:
    """The sum over predictions of mean |prediction - target| over real frames: SpeechT5's, before and after post-net.

    Shape:
        predictions: each [batch, length, bins]; target: [batch, length, bins].
        mask: [batch, length]; true = real frame, after any crop.

    Raises:
        ValueError: There is no prediction, or shapes differ.
    """
    if not predictions:
        raise ValueError("no predicted frames are given; pass those before the post-net, after it, or both")
    return torch.stack([masked_reconstruction_loss(each, target, mask, absolute_error) for each in predictions]).sum()


def stop_loss(
    logits: Float[Tensor, "batch length"], mask: Bool[Tensor, "batch length"], *, positive_weight: float = 5.0
) -> Float[Tensor, ""]:
    """Mean over real frames of the binary cross-entropy of "this is the last one", whose positives weigh more.

    Labels come from the mask and so from what is left after a crop; SpeechT5's released code takes the lengths before
    it, which is wrong for cropped audio.

    Args:
        positive_weight: Of the last frames. (5 in SpeechT5.)

    Shape:
        logits: [batch, length]; mask: [batch, length], true = real frame.

    Returns:
        The loss, in float32 at least; zero with gradient without a real frame.

    Raises:
        ValueError: The shapes differ, or the weight is negative or not finite.
    """
    if not 0 <= positive_weight < math.inf:
        raise ValueError(f"last frames cannot weigh {positive_weight}; take a finite number from 0 up")
    require_shape(logits.shape, mask=mask)
    wide = widened(logits)
    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
    weight = wide.new_tensor(positive_weight)
    total = functional.binary_cross_entropy_with_logits(
        wide[mask], last[mask].to(wide.dtype), pos_weight=weight, reduction="sum"
    )
    return total / mask.sum().clamp(min=1)
