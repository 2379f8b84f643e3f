"""Recordings of a split, and what a codec makes of them: what evaluations and reports of codecs have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod_speech.codec.settings import codec_tower
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.frontends.settings import LogMel
from crossmod_speech.waveforms import WaveformInputs

Waveform = Float[Tensor, "samples"]


def codec_of(context: EvaluationContext, modality: str, asker: str) -> DistilCodecTower:
    """The codec of a model.

    Raises:
        UserError: The model has no codec in that place.
    """
    towers = {name: context.model.tower(name) for name in context.model.modalities}
    return codec_tower(towers, modality, asker)


def recordings_of(context: EvaluationContext, modality: str, split: str, most: int) -> WaveformInputs:
    """At most so many distinct recordings of a split, evenly spread over its rows.

    Raises:
        UserError: The split has none.
    """
    prepared = context.prepared
    items = torch.unique(prepared.item[modality][prepared.rows(split, modality)])
    if not len(items):
        raise UserError(f"the {split} split of {prepared.corpus.name} has no recording.")
    inputs = prepared.inputs[modality]
    assert isinstance(inputs, WaveformInputs)
    return inputs.take(items[even_places(len(items), most)])


def even_places(available: int, wanted: int) -> Tensor:
    """So many of the available places, evenly spread; all where fewer are there."""
    places = np.linspace(0, available - 1, min(available, wanted)).round().astype(np.int64)
    return torch.from_numpy(places)


def waveforms(inputs: WaveformInputs) -> list[Waveform]:
    """Recordings one by one, amplitudes from -1 to 1."""
    padded = inputs.padded()
    return [padded[row, :length] for row, length in enumerate(inputs.lengths.tolist())]


@torch.no_grad()
def spectrograms(heard: Sequence[Waveform], settings: LogMel) -> list[Float[Tensor, "frames bins"]]:
    """Log-mel spectrograms of waveforms."""
    module = settings.build()
    return [module(each[None], torch.tensor([len(each)])).values[0] for each in heard]
