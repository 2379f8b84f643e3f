"""Recordings for SpeechT5: what is learned of training ones, kept with a checkpoint, and what is rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from crossmod.errors import UserError
from crossmod.training.assemble import Parts
from crossmod_speech.frontends.settings import KaldiFilterBank, RawWaveform, SpeechT5LogMel, WhisperLogMel
from crossmod_speech.speecht5.objective_settings import InfilledText, MaskedSpeech
from crossmod_speech.speecht5.processor import FILE, SpeechT5Processor
from crossmod_speech.speecht5.settings import SpeechT5, SpeechT5Text
from crossmod_speech.speecht5.statistics import SpeechStatistics
from crossmod_speech.speecht5.target_settings import CepstralClusters, ClusterFile

Make = Callable[..., Parts]
SETTINGS = SpeechT5(targets=CepstralClusters(clusters=4))


def noise(folder: Path, samples: int, name: str = "", rate: int = 16000) -> str:
    path = folder / (name or f"{samples}.wav")
    draw = np.random.default_rng(samples)
    soundfile.write(path, 0.1 * draw.standard_normal(samples).clip(-3, 3), rate)
    return str(path)


@pytest.fixture
def fitted(tmp_path: Path) -> SpeechT5Processor:
    return SETTINGS.fit_processor([noise(tmp_path, samples) for samples in (8000, 9000, 12000)])


def test_levels_are_those_of_the_training_recordings(tmp_path: Path, fitted: SpeechT5Processor) -> None:
    inputs = fitted([noise(tmp_path, samples) for samples in (8000, 9000, 12000)])
    values, mask = SpeechT5LogMel().build()(inputs.waveforms.padded(), inputs.waveforms.lengths)
    real = values[mask].double()
    np.testing.assert_allclose(fitted.statistics.band_mean, real.mean(0), atol=1e-5)
    np.testing.assert_allclose(fitted.statistics.band_deviation, real.std(0, correction=0), atol=1e-5)
    assert fitted.statistics.centroids.shape == (4, 39)


def test_the_decoder_speaks_levelled_bands_or_the_published_ones(tmp_path: Path, fitted: SpeechT5Processor) -> None:
    inputs = fitted([noise(tmp_path, samples) for samples in (8000, 9000, 12000)])
    tower = SETTINGS.build(fitted)
    levelled = tower.spectrogram(inputs)
    real = levelled.values[levelled.mask]
    torch.testing.assert_close(real.mean(0), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(real.std(0, correction=0), torch.ones(80), atol=1e-4, rtol=0)
    published = replace(SETTINGS, standardised=False).build(fitted).spectrogram(inputs)
    torch.testing.assert_close(
        published.values, SpeechT5LogMel().build()(inputs.waveforms.padded(), inputs.waveforms.lengths).values
    )
    torch.testing.assert_close(tower.log_magnitudes(real), published.values[levelled.mask], atol=1e-5, rtol=1e-5)


def test_what_was_learned_is_a_file_and_another_one_is_refused(fitted: SpeechT5Processor) -> None:
    files = dict(fitted.files())
    again = SETTINGS.load_processor(fitted.spec, files)
    assert again.spec == fitted.spec and np.array_equal(again.statistics.centroids, fitted.statistics.centroids)
    changed = replace(fitted.statistics, band_mean=fitted.statistics.band_mean + 1)
    with pytest.raises(UserError, match="is not the file"):
        SETTINGS.load_processor(fitted.spec, {FILE: changed.content})
    with pytest.raises(UserError, match=r"no statistics.json"):
        SETTINGS.load_processor(fitted.spec, {})
    for other in (
        replace(SETTINGS, spectrogram=SpeechT5LogMel(lowest_hz=0.0)),
        replace(SETTINGS, targets=CepstralClusters(clusters=4, centred=False)),
        replace(SETTINGS, longest_seconds=3.0),
    ):
        with pytest.raises(UserError, match="the checkpoint was trained on inputs with"):
            other.load_processor(fitted.spec, files)
    with pytest.raises(UserError, match="cannot be read"):
        SpeechStatistics.read(b'{"band_mean": 3}')


def test_recordings_of_less_than_a_frame_are_rejected_and_longer_ones_kept(
    tmp_path: Path, fitted: SpeechT5Processor
) -> None:
    items = [noise(tmp_path, 399), noise(tmp_path, 400), str(tmp_path / "absent.wav"), noise(tmp_path, 719), 7]
    processed = fitted.process(items)
    assert processed.accepted.tolist() == [1, 3]
    assert dict(processed.rejected)[0] == "its 24.9 ms are shorter than one frame"
    assert [place for place, _ in processed.rejected] == [0, 2, 4]
    inputs = fitted.inputs([processed])
    assert inputs.waveforms.lengths.tolist() == [400, 719]
    tower = SETTINGS.build(fitted).eval()
    assert tower(inputs).tokens.shape[1] == 1 and torch.isfinite(tower(inputs).pooled).all()


def test_nothing_to_learn_of_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of 1 training recordings can be read"):
        SETTINGS.fit_processor([str(tmp_path / "absent.wav")])
    with pytest.raises(UserError, match=r"49 frames, too few for 100 clusters"):
        replace(SETTINGS, targets=CepstralClusters(clusters=100)).fit_processor([noise(tmp_path, 16000)])


def stated(folder: Path, recordings: dict[str, list[int]]) -> ClusterFile:
    """HuBERT's two files of recordings."""
    (folder / "train.tsv").write_text(f"{folder}\n" + "".join(f"{name}\t1\n" for name in recordings), encoding="utf-8")
    lines = [" ".join(map(str, labels)) for labels in recordings.values()]
    (folder / "train.km").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return ClusterFile(clusters=9, manifest=str(folder / "train.tsv"), labels=str(folder / "train.km"))


def test_stated_clusters_come_with_the_recordings(tmp_path: Path) -> None:
    items = [noise(tmp_path, n, name) for n, name in ((16000, "a.wav"), (8000, "b.wav"), (720, "c.wav"))]
    targets = stated(tmp_path, {"a.wav": [1] * 50, "c.wav": [5, 7]})
    processor = replace(SETTINGS, targets=targets).fit_processor(items)
    processed = processor.process(items)
    assert processed.counts == {"recordings without stated clusters, of which no frame is predicted": 1}
    inputs = processor.inputs([processed]).take(torch.tensor([2, 1, 0]))
    clusters = replace(SETTINGS, targets=targets).build(processor).clusters(inputs, 49)
    assert clusters[0].tolist() == [5, 7] + [-1] * 47
    assert (clusters[1] == -1).all() and (clusters[2] == 1).all()


def test_stated_clusters_of_another_rate_are_rejected(tmp_path: Path) -> None:
    items = [noise(tmp_path, 16000, "a.wav")]
    processor = replace(SETTINGS, targets=stated(tmp_path, {"a.wav": [1] * 100})).fit_processor(items)
    assert processor.process(items).rejected == [(0, "100 clusters are stated for its 49 frames")]


def test_a_model_is_used_without_the_files_it_was_trained_with_but_not_trained(tmp_path: Path) -> None:
    items = [noise(tmp_path, 16000, "a.wav")]
    settings = replace(SETTINGS, targets=stated(tmp_path, {"a.wav": [1] * 49}))
    processor = settings.fit_processor(items)
    (tmp_path / "train.tsv").unlink()
    (tmp_path / "train.km").unlink()
    loaded = settings.load_processor(processor.spec, processor.files())
    assert torch.isfinite(settings.build(loaded).eval()(loaded(items)).pooled).all()
    with pytest.raises(UserError, match="files that are not there"):
        settings.fit_processor(items)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": 190}, "heads of SpeechT5 is 4"),
        ({"positions_groups": 5}, "positions_groups of SpeechT5 is 5"),
        ({"reduction": 0}, "at least 1"),
        ({"dropout": 1.0}, "dropout of SpeechT5 is 1.0"),
        ({"front_end": RawWaveform(sample_rate=8000)}, "both are of one waveform"),
        ({"front_end": WhisperLogMel()}, "WhisperLogMel is set otherwise"),
        ({"front_end": KaldiFilterBank(hop_length=80)}, "frames of 400 samples every 160"),
        ({"spectrogram": SpeechT5LogMel(after="utterance")}, "after = none"),
        ({"width": 3, "heads": 3, "groups": 3, "positions_groups": 3}, "even"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        SpeechT5(**change)


def test_text_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="the width is even"):
        SpeechT5Text(width=31)
    with pytest.raises(UserError, match="1 clusters; take 2"):
        CepstralClusters(clusters=1)


def test_texts_are_letters(make: Make) -> None:
    texts = make({"speech": MaskedSpeech(), "text": InfilledText()}).model.tower("text")
    ids, _ = texts.processor(["Bade"]).padded()
    assert ids.shape[1] <= 2 + 1 + 4 and texts.processor.text(ids[0].tolist()) == "bade"


def test_silence_within_an_utterance_is_finite(tmp_path: Path, fitted: SpeechT5Processor) -> None:
    samples = np.zeros(8000)
    samples[4000] = 0.5
    soundfile.write(tmp_path / "click.wav", samples, 16000)
    inputs = fitted([str(tmp_path / "click.wav")])
    tower = SETTINGS.build(fitted).eval()
    assert torch.isfinite(tower(inputs).pooled).all() and torch.isfinite(tower.spectrogram(inputs).values).all()
    assert (tower.clusters(inputs, 24) >= 0).all()
