"""The `reconstruction` evaluation: what is left of recordings, and how much of the codebooks they take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.evaluation.context import EvaluationContext
from crossmod.objectives.local.code_usage import CodeUsage
from crossmod_metrics import mel_cepstral_distance
from crossmod_report import Column, Row, Table
from crossmod_report.tables import Cell
from crossmod_speech.codec.evaluation_settings import ReconstructionSettings
from crossmod_speech.codec.rebuilt import Waveform, codec_of, recordings_of, spectrograms, waveforms
from crossmod_speech.codec.recordings import write_pairs
from crossmod_speech.codec.spectrogram import griffin_lim
from crossmod_speech.codec.tower import DistilCodecTower
from crossmod_speech.waveforms import WaveformInputs

ASKER = "the reconstruction evaluation"


@torch.no_grad()
def evaluate(context: EvaluationContext, settings: ReconstructionSettings) -> list[Table]:
    """Rebuild recordings from their codes; beside it from the spectrogram, from random codes, and untrained.

    Raises:
        UserError: The model has no codec, or the split no recording.
    """
    tower = codec_of(context, settings.speech, ASKER)
    inputs = recordings_of(context, settings.speech, settings.split, settings.utterances)
    real, front_end = waveforms(inputs), tower.spectrogram
    targets = spectrograms(real, front_end)
    usage, untrained_usage = (CodeUsage(tower.bottleneck.quantiser.codes, tower.codebooks) for _ in range(2))
    untrained = codec_of(context.untrained(settings.seed), settings.speech, ASKER)
    rebuilt = _rebuilt(tower, inputs, usage)
    heard = {
        "codec": rebuilt,
        "random codes, same generator": _from_random_codes(tower, targets, settings.seed),
        "untrained codec": _rebuilt(untrained, inputs, untrained_usage),
        "Griffin-Lim of the spectrogram": [
            griffin_lim(target, front_end, rounds=settings.rounds, seed=settings.seed) for target in targets
        ],
    }
    used = {"codec": usage, "untrained codec": untrained_usage}
    body = []
    for name, made in heard.items():
        cells: dict[str, Cell] = {"codec": name, **_errors(spectrograms(made, front_end), targets)}
        cells |= _code_cells(used[name], tower) if name in used else {}
        body.append(Row(cells=cells, role="result" if name == "codec" else "reference"))
    if settings.recordings:
        pairs = list(zip(real, rebuilt, strict=True))[: settings.written]
        write_pairs(Path(settings.recordings), ("original", "rebuilt"), pairs, front_end.sample_rate)
    steps = int(usage.counts[0].sum())
    seconds = sum(len(each) for each in real) / front_end.sample_rate
    note = (
        f"{len(real)} recordings, {seconds:.0f} s, {steps} steps of {tower.codebooks} codes. Error is of natural "
        "logarithms of mel magnitudes; distances compare frame with frame. Used and perplexity count all recordings "
        "together, and are means over codebooks. Griffin-Lim reads the whole spectrogram and no codes."
    )
    title = f"reconstruction, {settings.split} split of {context.prepared.corpus.name}"
    return [Table(columns=_columns(), rows=body, title=title, note=note)]


@torch.no_grad()
def validation_score(context: EvaluationContext) -> float:
    """Minus the mean error of the spectrogram on the validation split.

    Raises:
        UserError: The model has no codec, or the split no recording.
    """
    defaults = ReconstructionSettings()
    tower = codec_of(context, defaults.speech, ASKER)
    inputs = recordings_of(context, defaults.speech, "validation", defaults.utterances)
    device = next(tower.parameters()).device
    made = [each.cpu() for each in tower.reconstruct(inputs.to(device))]
    front_end = tower.spectrogram
    return -_errors(spectrograms(made, front_end), spectrograms(waveforms(inputs), front_end))["error"]


def _rebuilt(tower: DistilCodecTower, inputs: WaveformInputs, usage: CodeUsage) -> list[Waveform]:
    """Every recording by way of its codes alone, which are counted."""
    heard = []
    for row in range(len(inputs)):
        codes = tower.codes(inputs.take(torch.tensor([row]))).codes
        usage.update(codes)
        heard.append(tower.decode(codes)[0])
    return heard


def _from_random_codes(
    tower: DistilCodecTower, targets: Sequence[Float[Tensor, "frames bins"]], seed: int
) -> list[Waveform]:
    draw = torch.Generator().manual_seed(seed)
    heard = []
    for target in targets:
        steps = -(-len(target) // tower.bottleneck.downsampling)
        codes = torch.randint(tower.bottleneck.quantiser.codes, (1, steps, tower.codebooks), generator=draw)
        heard.append(tower.decode(codes)[0])
    return heard


def _errors(made: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, float]:
    """Mean error and mel-cepstral distance; codes that share frames make a last one that is not compared."""
    pairs = [(a[: len(b)], b) for a, b in zip(made, targets, strict=True)]
    return {
        "error": float(torch.cat([(a - b).abs().flatten() for a, b in pairs]).mean()),
        "distance": fmean(mel_cepstral_distance(a, b).decibels for a, b in pairs),
    }


def _code_cells(usage: CodeUsage, tower: DistilCodecTower) -> dict[str, Cell]:
    perplexity = usage.perplexity()
    steps_a_second = tower.spectrogram.sample_rate / tower.samples_a_step
    return {
        "used": 100 * float(usage.used().float().mean()) / tower.bottleneck.quantiser.codes,
        "perplexity": float(perplexity.mean()),
        "rate": steps_a_second * tower.codebooks * math.log2(tower.bottleneck.quantiser.codes) / 1000,
    }


def _columns() -> list[Column]:
    return [
        Column(key="codec", title="rebuilt by"),
        Column(key="error", title="mel |error|", decimals=3, better="lower"),
        Column(key="distance", title="MCD dB", decimals=2, better="lower"),
        Column(key="used", title="codes used %", decimals=1),
        Column(key="perplexity", title="perplexity", decimals=1),
        Column(key="rate", title="kbit/s", decimals=2),
    ]
