"""Utterances as frames: the window, and what stands before the first sample and behind the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from crossmod_speech.frontends.settings import LogMel


class Reach(NamedTuple):
    """How far frames reach beyond an utterance.

    Args:
        left: Samples that the first frame begins before the first sample.
        right: Samples behind the last one that frames may need.
    """

    left: int
    right: int


def reach_of(settings: LogMel) -> Reach:
    """How far the frames of `settings` reach beyond an utterance."""
    window, hop = settings.window_length, settings.hop_length
    # A window shorter than n_fft stands in the middle of it, so that an odd one begins half a sample early.
    left = {"snip_edges": 0, "centred": (window + 1) // 2, "padded": (window - hop) // 2}[settings.framing]
    if settings.whole_seconds:
        return Reach(left, window)  # what begins in the utterance and ends in the silence behind it
    return Reach(left, window - left if settings.framing == "centred" else left)


def touched_frames(settings: LogMel, samples: int) -> int:
    """Frames that hold a sample of the utterance, those behind it that reach back into it included."""
    if not settings.whole_seconds or samples < 1:
        return settings.frames(samples)
    last = min(samples, settings.whole_samples) - 1 + reach_of(settings).left
    return min(settings.whole_frames, 1 + last // settings.hop_length)


def analysis_window(settings: LogMel) -> Float[Tensor, "window_length"]:
    """The window, times the amplitude scale: both are linear, so that scaling costs nothing.

    Shape:
        returns: [window_length].
    """
    length = settings.window_length
    time = np.arange(length)
    if settings.window == "hann":
        shape = 0.5 - 0.5 * np.cos(2 * np.pi * time / length)
    else:
        shape = (0.5 - 0.5 * np.cos(2 * np.pi * time / max(length - 1, 1))) ** 0.85
    return torch.from_numpy(shape * settings.amplitude_scale).float()


def extended(
    samples: Float[Tensor, "batch samples"], lengths: Sequence[int], settings: LogMel
) -> Float[Tensor, "batch width"]:
    """Signals with what their first and last frames read around them; frame t of a row begins at t hops.

    The width of several rows is a multiple of the hop, so that the rows end to end are one signal, in whose frames
    those of every row stand in order. What stands behind `lengths` + right is of no frame of the utterance, and left
    as it was.

    Shape:
        samples: [batch, samples].
        lengths: [batch], each from 0 to samples.
        returns: [batch, width].
    """
    left, right = reach_of(settings)
    batch, count = samples.shape
    hop = settings.hop_length
    if batch == 1 and not left + right:
        return samples
    width = -(-(left + count + right) // hop) * hop
    out = samples.new_empty(batch, width)
    out[:, left : left + count] = samples
    out[:, left + count :] = 0.0
    if left + right:
        places, sources = _edges(np.asarray(lengths), Reach(left, right), settings.whole_samples)
        there = torch.from_numpy(sources >= 0).to(samples.device)
        found = samples.gather(1, torch.from_numpy(np.maximum(sources, 0)).to(samples.device))
        out.scatter_(1, torch.from_numpy(places).to(samples.device), torch.where(there, found, 0.0))
    return out


def _edges(
    lengths: npt.NDArray[np.int64], reach: Reach, whole_samples: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """[batch, left + right] places in the extended signal, and the samples that stand there; -1 is silence."""
    length = lengths[:, None]
    before = np.broadcast_to(np.arange(-reach.left, 0), (len(lengths), reach.left))
    at = np.concatenate((before, length + np.arange(reach.right)), axis=1)
    # Mirrors at the first and the last sample, again and again where the utterance is shorter than the edge.
    last = np.maximum(length, max(whole_samples, 1)) - 1
    folded = at % np.maximum(2 * last, 1)
    mirrored = np.minimum(folded, 2 * last - folded)
    return at + reach.left, np.where(mirrored < length, mirrored, -1)
