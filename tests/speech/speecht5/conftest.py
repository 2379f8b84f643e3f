"""A language of tones: every letter is a chord of its own, every voice plays it at its own height and speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from crossmod.contracts.batch import Batch
from crossmod.contracts.corpus import Column, Corpus
from crossmod.model import CrossModal
from crossmod.recipe import EmbeddingSettings, ObjectiveSettings, OptimiserSettings, RunSettings
from crossmod.training.assemble import Parts, assemble
from crossmod_speech.data import SpeechData
from crossmod_speech.domain import SpeechRecipe, SpeechTowers
from crossmod_speech.frontends.settings import KaldiFilterBank
from crossmod_speech.speecht5.settings import SpeechT5, SpeechT5Text
from crossmod_speech.speecht5.target_settings import CepstralClusters

RATE = 16000
LETTERS = "abde"
VOICES = {"train": (0.94, 1.0, 1.06), "validation": (0.97,), "test": (1.03,)}
"""By split, how much higher than written each voice plays."""


def play(text: str, height: float, seconds: float = 0.12) -> npt.NDArray[np.float32]:
    """A text as chords, which fade in and out."""
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.minimum(1.0, 8 * np.minimum(time, time[::-1]) / seconds)
    chords = []
    for letter in text:
        hertz = 300.0 * 1.7 ** LETTERS.index(letter) * height
        chords.append(envelope * (np.sin(2 * np.pi * hertz * time) + 0.5 * np.sin(4 * np.pi * hertz * time)))
    return (0.3 * np.concatenate(chords)).astype(np.float32)


def texts(count: int, seed: int = 0) -> list[str]:
    """Different texts of two to four letters of which none follows itself."""
    draw, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < count:
        letters = draw.permutation(list(LETTERS))[: draw.integers(2, 5)]
        found["".join(letters)] = None
    return list(found)


@dataclass(frozen=True, kw_only=True)
class ToneSpeech(SpeechData):
    """Texts of tones in several voices; the same texts in every split.

    Args:
        root: Folder that the recordings are written into.
        count: Different texts.
        unpaired: Leave the recordings of even rows without a text, and the texts of odd ones without a recording.
    """

    root: str
    count: int = 8
    unpaired: bool = False

    def build(self) -> Corpus:
        """Write and read the recordings."""
        root, said = Path(self.root), texts(self.count)
        root.mkdir(parents=True, exist_ok=True)
        rows = [(split, voice, text) for split, heights in VOICES.items() for voice in heights for text in said]
        paths = []
        for split, height, text in rows:
            paths.append(str(root / f"{split}-{height}-{text}.wav"))
            soundfile.write(paths[-1], play(text, height), RATE)
        keys = list(dict.fromkeys((split, text) for split, _, text in rows))
        written = np.array([keys.index((split, text)) for split, _, text in rows])
        heard, held = np.arange(len(rows)), written.copy()
        if self.unpaired:
            heard[1::2], held[0::2] = -1, -1
        heights = [voice for _, voice, _ in rows]
        return Corpus(
            name="tones",
            columns={"speech": Column(paths, heard), "text": Column([text for _, text in keys], held)},
            ids=[f"row {number}" for number in range(len(rows))],
            group=written.astype(np.int64),
            split=np.array([split for split, _, _ in rows]),
            subject=np.array([sorted(set(heights)).index(voice) for voice in heights], np.int64),
        )


TINY = SpeechT5(
    channels=16,
    width=32,
    heads=2,
    encoder_depth=2,
    decoder_depth=2,
    positions_kernel=8,
    positions_groups=4,
    codes=8,
    dropout=0.0,
    norm="pre",
    frame_hidden=64,
    post_channels=32,
    targets=CepstralClusters(clusters=8, iterations=10),
)
TINY_HEARING = replace(TINY, front_end=KaldiFilterBank(bins=24), channels=32)
TINY_TEXT = SpeechT5Text(width=32, length=16, dropout=0.0)

Assemble = Callable[..., Parts]


def tone_recipe(
    root: Path,
    objectives: Mapping[str, ObjectiveSettings],
    *,
    speech: SpeechT5 = TINY,
    text: SpeechT5Text = TINY_TEXT,
    optimiser: OptimiserSettings | None = None,
    run: RunSettings | None = None,
    count: int = 8,
    unpaired: bool = False,
) -> SpeechRecipe:
    """A recipe on tones."""
    return SpeechRecipe(
        data=ToneSpeech(root=str(root), count=count, unpaired=unpaired, workers=0),
        towers=SpeechTowers(speech=speech, text=text),
        objectives=dict(objectives),
        embedding=EmbeddingSettings(width=16),
        optimiser=optimiser or OptimiserSettings(rate=3e-3, weight_decay=0.0),
        run=run or RunSettings(steps=1, batch_size=8, draw="rows", threads=1),
    )


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the recordings."""
    return tmp_path_factory.mktemp("tones")


@pytest.fixture
def make(tones: Path) -> Assemble:
    """Assembles objectives on tones: `make({"name": settings}, ...)`; `filter_bank` listens to filter banks."""

    def made(objectives: Mapping[str, ObjectiveSettings], **options: object) -> Parts:
        if options.pop("filter_bank", False):
            options["speech"] = TINY_HEARING
        return assemble(tone_recipe(tones, objectives, **options))

    return made


@pytest.fixture
def training_batch() -> Callable[[Parts], Batch]:
    """The first training rows of a corpus."""

    def first(parts: Parts, rows: int = 8) -> Batch:
        return parts.prepared.batch(torch.from_numpy(parts.prepared.corpus.rows("train"))[:rows])

    return first


def gradients(model: CrossModal, part: str) -> float:
    """The sum of absolute gradients of a part; 0 where none came."""
    module = model.get_submodule(part)
    found: Sequence[torch.Tensor] = [p.grad for p in module.parameters() if p.grad is not None]
    return sum(float(each.abs().sum()) for each in found)


@pytest.fixture
def gradient_of() -> Callable[[CrossModal, str], float]:
    """`gradients`."""
    return gradients


@pytest.fixture(scope="session")
def language() -> tuple[Callable[..., npt.NDArray[np.float32]], Callable[..., list[str]]]:
    """`play` and `texts`."""
    return play, texts
