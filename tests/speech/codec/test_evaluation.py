"""A codec from the command line: both steps of distillation, its evaluation, its pictures and its recordings."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from crossmod.cli.main import main
from crossmod_speech.codec.pictures import grey_png, spectrogram_picture


@pytest.fixture(scope="module")
def runs(codec_words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher and its student."""
    folder = tmp_path_factory.mktemp("codec")
    steps = ["--run.steps=60", "--optimiser.rate=0.004", "--objectives.codec.segment_frames=16"]
    teacher = ["--config=distilcodec-teacher", "--towers.speech.groups=2", "--towers.speech.stages=2"]
    assert main(["train", "speech", *teacher, *codec_words, *steps, f"--run.folder={folder / 'teacher'}"]) == 0
    parts = "{towers.speech.encoder: towers.speech.encoder, towers.speech.generator: towers.speech.generator}"
    student = ["--config=distilcodec", "--objectives.codec.discriminators.channels=4", "--run.evaluate_every=20"]
    student += ["--objectives.codec.discriminators.spectra=[128]", "--run.select_by=reconstruction"]
    student += ["--objectives.codec.discriminators.periods=[5]"]
    student += [f"--run.initialise={folder / 'teacher'}", f"--run.initialise_parts={parts}"]
    assert main(["train", "speech", *student, *codec_words, *steps, f"--run.folder={folder / 'student'}"]) == 0
    return folder


def rows_of(run: Path, *options: str) -> dict[str, dict[str, Any]]:
    assert main(["evaluate", str(run), "--on", "reconstruction", "--data.workers=0", "--rounds=8", *options]) == 0
    (table,) = json.loads((run / "evaluations" / "reconstruction.json").read_text(encoding="utf-8"))
    return {row["cells"]["codec"]: row["cells"] for row in table["rows"]}


def test_it_is_better_than_random_codes_and_no_training(runs: Path) -> None:
    for run, rate in (("student", 125 * 5 / 1000), ("teacher", 4 * 125 * 5 / 1000)):
        rows = rows_of(runs / run)
        codec = rows["codec"]
        for other, share in (("random codes, same generator", 0.9), ("untrained codec", 0.5)):
            assert codec["error"] < share * rows[other]["error"] and codec["distance"] < share * rows[other]["distance"]
        assert 0 < codec["used"] <= 100 and 1 < codec["perplexity"] <= 32
        assert codec["rate"] == pytest.approx(rate)
        assert rows["Griffin-Lim of the spectrogram"]["distance"] < codec["distance"]


def test_validation_selects_by_the_error(runs: Path) -> None:
    lines = [json.loads(line) for line in (runs / "student" / "metrics.jsonl").read_text().splitlines()]
    scores = [line["reconstruction"] for line in lines if line["split"] == "validation"]
    assert len(scores) == 3 and all(score < 0 for score in scores) and max(scores) > scores[0]


def test_recordings_are_written_when_asked_for(runs: Path, tmp_path: Path) -> None:
    rows_of(runs / "student", f"--recordings={tmp_path / 'heard'}", "--written=2", "--utterances=3")
    names = sorted(path.name for path in (tmp_path / "heard").iterdir())
    assert names == ["000-original.wav", "000-rebuilt.wav", "001-original.wav", "001-rebuilt.wav"]
    original, rate = soundfile.read(tmp_path / "heard" / "000-original.wav")
    rebuilt, _ = soundfile.read(tmp_path / "heard" / "000-rebuilt.wav")
    assert rate == 8000 and len(rebuilt) == len(original) // 64 * 64 and np.abs(rebuilt).max() > 0.01


def test_the_report_shows_spectrograms(runs: Path) -> None:
    report = (runs / "student" / "report.html").read_text(encoding="utf-8")
    assert "spectrograms rebuilt from codes, test split" in report and "data:image/png;base64," in report
    assert "reconstruction, test split" in report


def test_a_model_without_a_codec_is_refused(
    voices_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["--data=SpeechTable", f"--data.path={voices_table}", "--data.speaker=speaker", "--data.workers=0"]
    words += ["--run.steps=1", "--run.batch_size=8", "--run.threads=1", "--run.finish=[reconstruction]"]
    words += ["--towers.speech.width=16", "--towers.speech.depth=1", "--towers.speech.heads=2", "--embedding.width=8"]
    assert main(["train", "speech", *words, f"--run.folder={run}"]) == 0
    assert "needs a codec as the tower of 'speech'" in "".join(capsys.readouterr())


def test_a_picture_is_a_png_of_its_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    png = grey_png(pixels)
    assert struct.unpack(">II", png[16:24]) == (4, 3)
    start = png.index(b"IDAT")
    length = struct.unpack(">I", png[start - 4 : start])[0]
    rows = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + length]), np.uint8).reshape(3, 5)
    assert not rows[:, 0].any() and np.array_equal(rows[:, 1:], pixels)
    ramp = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    drawn = spectrogram_picture(ramp, 0.0, 3.0, frame_pixels=1, bin_pixels=1)
    start = drawn.index(b"IDAT")
    length = struct.unpack(">I", drawn[start - 4 : start])[0]
    rows = np.frombuffer(zlib.decompress(drawn[start + 4 : start + 4 + length]), np.uint8).reshape(2, 3)[:, 1:]
    assert rows.tolist() == [[170, 0], [255, 85]]  # high bands above, loud is dark
