"""The packaged recipes, and that towers, processors and runs of SpeechT5 keep the promises of every domain."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from crossmod.cli.main import main
from crossmod.cli.recipes import parse_recipe
from crossmod.testing.conformance import ProcessorConformance, RunConformance, TowerConformance
from crossmod_speech.domain import domain as speech

SMALL = (
    "--config=speecht5",
    *("--data.workers=0", "--run.batch_size=4", "--run.log_every=1", "--run.finish=[]", "--embedding.width=16"),
    *("--towers.speech.channels=8", "--towers.speech.width=16", "--towers.speech.heads=2", "--towers.text.width=16"),
    *("--towers.speech.positions_kernel=4", "--towers.speech.positions_groups=4", "--towers.speech.encoder_depth=1"),
    *("--towers.speech.decoder_depth=1", "--towers.speech.codes=4", "--towers.speech.targets.clusters=4"),
    *("--towers.speech.frame_hidden=16", "--towers.speech.post_channels=8", "--objectives.speech.label_width=8"),
)
Language = tuple[Callable[..., object], Callable[..., list[str]]]

PACKAGED = ("speecht5", "speecht5-asr", "speecht5-tts")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, language: Language) -> Path:
    """The tones as a table of a user's own."""
    play, texts = language
    folder = tmp_path_factory.mktemp("table")
    with (folder / "tones.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "text", "speaker", "split"])
        for split, height in (("train", 0.95), ("train", 1.05), ("validation", 0.98), ("test", 1.02)):
            for text in texts(6):
                name = f"{height}-{text}.wav"
                soundfile.write(folder / name, play(text, height), 16000)
                rows.writerow([name, text, str(height), split])
    return folder / "tones.csv"


def on_table(table: Path) -> list[str]:
    """Options that read the table."""
    return [
        "--data=SpeechTable",
        f"--data.path={table}",
        "--data.speaker=speaker",
        "--data.split_by=column",
    ]


class Tones:
    """What the classes below have in common."""

    domain = speech
    tolerance = 1e-4
    hostile: ClassVar[dict[str, list[object]]] = {
        "speech": ["", "absent.wav", "a\0b", 7],
        "text": ["", 7, "lone \udc80 surrogate"],
    }

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, table: Path) -> list[str]:
        """The small run on the tones."""
        return [*SMALL, *on_table(table)]


class TestProcessors(Tones, ProcessorConformance):
    pass


class TestTowers(Tones, TowerConformance):
    # What decodes, what quantises, and what stands for hidden frames is trained by objectives.
    without_gradient = (
        *("speech.decoder.*", "speech.codebook.*", "speech.read_frames.*", "speech.write_frames.*"),
        *("speech.enter.hidden", "text.*_positions.*", "text.ctc.*"),
    )


class TestRuns(Tones, RunConformance):
    steps = 6


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_recipes_have_the_same_towers(name: str) -> None:
    recipe, first = parse_recipe(speech, [f"--config={name}"]), parse_recipe(speech, ["--config=speecht5"])
    assert (recipe.towers, recipe.data, recipe.embedding) == (first.towers, first.data, first.embedding)


def test_tuned_from_a_pre_trained_run_and_scored(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    towers = [word for word in SMALL if not word.startswith(("--config", "--objectives"))]
    pre, tuned, spoken = (str(tmp_path / name) for name in ("pre", "tuned", "spoken"))
    short = [*towers, *on_table(table), "--run.steps=2"]
    assert (
        main(
            ["train", "speech", "--config=speecht5", *short, "--objectives.speech.label_width=8", f"--run.folder={pre}"]
        )
        == 0
    )
    start = [*short, f"--run.initialise={pre}", '--run.freeze=["towers.speech.encoder"]']
    assert main(["train", "speech", "--config=speecht5-asr", *start, f"--run.folder={tuned}"]) == 0
    assert main(["train", "speech", "--config=speecht5-tts", *start, f"--run.folder={spoken}"]) == 0
    weights = [_weights(Path(folder)) for folder in (pre, tuned, spoken)]
    kept = "towers.speech.encoder.layers.0.attention.out.weight"
    moved = "towers.text.embedding.weight"
    assert all(torch.equal(each[kept], weights[0][kept]) for each in weights[1:])
    assert not any(torch.equal(each[moved], weights[0][moved]) for each in weights[1:])
    capsys.readouterr()
    for folder, evaluation, words, shown in (
        (tuned, "transcription", ("--beam=2", "--resamples=10"), "commonest training transcript"),
        (spoken, "synthesis", ("--longest_seconds=0.2",), "told the frames before"),
        (pre, "shared-codes", (), "perplexity"),
    ):
        assert main(["evaluate", folder, "--on", evaluation, *words]) == 0
        assert shown in capsys.readouterr().out


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next((folder / "model").glob("*.safetensors")))
