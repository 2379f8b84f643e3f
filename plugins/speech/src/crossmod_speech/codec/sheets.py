"""Spectrograms for the run report: recordings, and the rebuilt ones that come nearest to each."""

from __future__ import annotations

import torch

from crossmod.evaluation.context import EvaluationContext
from crossmod_metrics import mel_cepstral_distance
from crossmod_report import Exhibit, RetrievalSheet, retrieval_sheet
from crossmod_speech.codec.pictures import spectrogram_picture
from crossmod_speech.codec.rebuilt import recordings_of, spectrograms, waveforms
from crossmod_speech.codec.tower import DistilCodecTower

SHOWN = 4
GALLERY = 12
SECONDS = 2.0
"""So much of a recording is drawn and compared."""


@torch.no_grad()
def reconstruction_sheets(context: EvaluationContext, split: str) -> list[RetrievalSheet]:
    """A few recordings of a split beside the nearest of what a codec made of them; none where the model has no codec.

    A recording's own rebuilt one should be the nearest of all. Time is warped, as recordings differ in length.
    """
    found = [name for name in context.model.modalities if isinstance(context.model.tower(name), DistilCodecTower)]
    return [_sheet(context, name, split) for name in found if len(context.prepared.rows(split, name))]


def _sheet(context: EvaluationContext, modality: str, split: str) -> RetrievalSheet:
    tower = context.model.tower(modality)
    assert isinstance(tower, DistilCodecTower)
    inputs, front_end = recordings_of(context, modality, split, GALLERY), tower.spectrogram
    most = round(SECONDS / front_end.seconds_per_frame)
    real, made = (
        [each[:most] for each in spectrograms(heard, front_end)]
        for heard in (waveforms(inputs), tower.reconstruct(inputs))
    )
    shown = list(range(min(SHOWN, len(real))))
    every = torch.cat(real)
    quietest, loudest = (float(every.quantile(share)) for share in (0.1, 0.999))
    exhibits = [
        [
            Exhibit(caption=f"{kind} {number}", png=spectrogram_picture(each, quietest, loudest))
            for number, each in enumerate(group)
        ]
        for kind, group in (("recording", real), ("rebuilt", made))
    ]
    likeness = [
        [-mel_cepstral_distance(each, real[place], align="warped").decibels for each in made] for place in shown
    ]
    return retrieval_sheet(
        [exhibits[0][place] for place in shown],
        exhibits[1],
        likeness,
        [[place] for place in shown],
        title=f"spectrograms rebuilt from codes, {split} split",
        nearest=3,
        note=(
            f"The first {SECONDS:g} s of recordings, and of what the codec makes of {len(made)} of them. Numbers: "
            "minus the mel-cepstral distance in dB, time warped. Loud is dark."
        ),
    )
