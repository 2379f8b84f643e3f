"""The `synthesis` evaluation: how far spoken texts are from what a person said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.evaluation.context import EvaluationContext
from crossmod_metrics.cepstral import mel_cepstral_distance
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell
from crossmod_speech.frontends.features import SpeechFeatures
from crossmod_speech.speecht5.evaluated import SpokenRows, spoken_rows
from crossmod_speech.speecht5.evaluation_settings import SynthesisSettings
from crossmod_speech.speecht5.speaking import read_texts, say
from crossmod_speech.speecht5.voices import voice_of

Frames = Float[Tensor, "frames bins"]
"""log10 magnitudes of one utterance."""


def evaluate(context: EvaluationContext, settings: SynthesisSettings) -> list[Table]:
    """Spectrograms told frame by frame, and spoken freely: as the text says, as another text says, and by others.

    The voice is that of another recording of the same speaker where there is one, else of the utterance itself.

    Raises:
        UserError: The model is not SpeechT5, or the split has no pair.
    """
    rows = spoken_rows(context, settings.split, settings.speech, settings.text)
    rows = rows.take(_even(len(rows), settings.utterances))
    frames_a_second = 1 / rows.tower.processor.spectrogram.seconds_per_frame
    longest = max(rows.tower.write_frames.reduction, int(settings.longest_seconds * frames_a_second))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        order = torch.randperm(len(rows)).roll(1) if len(rows) > 1 else torch.zeros(1, dtype=torch.int64)
        targets, told = _told(rows, settings.batch_size)
        free, stopped = _free(rows, torch.arange(len(rows)), longest, settings.batch_size)
        wrong, _ = _free(rows, _others(rows, order), longest, settings.batch_size)
    mean = rows.tower.band_mean if _standardised(rows) else torch.cat(targets).mean(0)
    spoken: dict[str, Sequence[Frames | None]] = {
        "told the frames before": told,
        "spoken freely": free,
        "spoken freely, another text": wrong,
        "another voice, same text": _same_text(rows, targets),
        "mean frame of training": [mean.expand_as(target) for target in targets],
    }
    body = [_row(name, said, targets) for name, said in spoken.items()]
    cut = f"{100 * fmean(stopped):.0f} % stopped by themselves before {settings.longest_seconds:g} s"
    note = (
        f"{len(rows)} utterances; {cut}. Error is of log10 magnitudes, frame by frame. Distances warp time along the "
        "cheapest path; compare them with each other alone."
    )
    title = f"spoken texts, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(), rows=body, title=title, note=note)]


def _columns() -> list[Column]:
    return [
        Column(key="speech", title="whose spectrogram"),
        Column(key="utterances", title="utterances", decimals=0),
        Column(key="error", title="mean |error|", decimals=3, better="lower"),
        Column(key="distance", title="MCD dB", decimals=2, better="lower"),
        Column(key="length", title="length / true length", decimals=2),
    ]


def _row(name: str, said: Sequence[Frames | None], targets: Sequence[Frames]) -> Row:
    pairs = [(frames, target) for frames, target in zip(said, targets, strict=True) if frames is not None]
    cells: dict[str, Cell] = {"speech": name, "utterances": len(pairs)}
    if pairs:
        distances = [
            mel_cepstral_distance(frames * math.log(10), target * math.log(10), align="warped")
            for frames, target in pairs
        ]
        cells["distance"] = fmean(each.decibels for each in distances)
        cells["length"] = fmean(each.length_ratio for each in distances)
        if all(frames.shape == target.shape for frames, target in pairs):
            cells["error"] = float(torch.cat([(a - b).abs().mean(1) for a, b in pairs]).mean())
    return Row(cells=cells, role="result" if name in ("told the frames before", "spoken freely") else "reference")


@torch.no_grad()
def _told(rows: SpokenRows, batch_size: int) -> tuple[list[Frames], list[Frames]]:
    """What was said, cut to whole steps, and what the model says when it hears every frame before."""
    targets, told = [], []
    for start in range(0, len(rows), batch_size):
        part = rows.take(torch.arange(start, min(start + batch_size, len(rows))))
        target = rows.tower.spectrogram(part.utterances)
        states = read_texts(rows.tower, rows.texts, part.written)
        spoken, cut = rows.tower.speak(states, target, _voices(rows, start, target))
        for place, real in enumerate(cut.mask):
            targets.append(rows.tower.log_magnitudes(cut.values[place, real]))
            told.append(rows.tower.log_magnitudes(spoken.after[place, real]))
    return targets, told


def _free(
    rows: SpokenRows, order: Int64[Tensor, "rows"], longest: int, batch_size: int
) -> tuple[list[Frames], list[float]]:
    """What the model says of the texts at `order` in each row's voice, and whether it stopped by itself."""
    said, stopped = [], []
    for start in range(0, len(rows), batch_size):
        place = torch.arange(start, min(start + batch_size, len(rows)))
        voice = _voices(rows, start, rows.tower.spectrogram(rows.utterances.take(place)))
        states = read_texts(rows.tower, rows.texts, rows.written.take(order[place]))
        found = say(rows.tower, states, voice, longest_frames=longest)
        said += [frames[real] for frames, real in zip(found.frames, found.mask, strict=True)]
        stopped += found.stopped.float().tolist()
    return said, stopped


def _voices(rows: SpokenRows, start: int, own: SpeechFeatures) -> Float[Tensor, "batch voice"]:
    """The voice of another recording of each row's speaker, or its own where there is none."""
    voice = voice_of(own)
    if rows.speaker is None:
        return voice
    for place in range(len(voice)):
        same = (rows.speaker == rows.speaker[start + place]).nonzero()[:, 0]
        other = same[same != start + place]
        if len(other):
            voice[place] = rows.tower.voices(rows.utterances.take(other[:1]))[0]
    return voice


def _others(rows: SpokenRows, order: Int64[Tensor, "rows"]) -> Int64[Tensor, "rows"]:
    """For each row one with another text, from `order` on; itself where all texts are the same."""
    found = []
    for place in range(len(rows)):
        candidates = order.roll(-place).tolist()
        found.append(next((each for each in candidates if rows.said[each] != rows.said[place]), place))
    return torch.tensor(found)


def _same_text(rows: SpokenRows, targets: Sequence[Frames]) -> list[Frames | None]:
    """For each row what another speaker said of the same text, where one did: what a good synthesis comes near."""
    found: list[Frames | None] = []
    for place, text in enumerate(rows.said):
        others = [
            other
            for other, said in enumerate(rows.said)
            if other != place and said == text and (rows.speaker is None or rows.speaker[other] != rows.speaker[place])
        ]
        found.append(targets[others[0]] if others else None)
    return found


def _standardised(rows: SpokenRows) -> bool:
    return bool((rows.tower.band_deviation != 1).any())


def _even(available: int, wanted: int) -> Int64[Tensor, "chosen"]:
    """So many places, evenly spread."""
    return torch.from_numpy(np.linspace(0, available - 1, min(available, wanted)).round().astype(np.int64))
