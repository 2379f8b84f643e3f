"""Settings of the corpora that this domain reads (torch-free): their class names are what a user types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from crossmod.errors import UserError
from crossmod.recipe import DataSettings

if TYPE_CHECKING:
    from crossmod.contracts.corpus import Corpus
    from crossmod_speech.corpora.utterances import Reading


@dataclass(frozen=True, kw_only=True)
class SpeechData(DataSettings, ABC):
    """Utterances with what is said, and what is meant. No speaker stands in two splits."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedSpeech(SpeechData):
    """Commands, questions and single words, spoken by a synthesiser (eSpeak NG) in many voices, languages and noises.

    Nothing is downloaded and nobody was recorded. What a model learns is to understand such voices; test voices,
    sentences and some of the intents are never heard in training.

    Args:
        voices: Speakers: a variant of the engine each, with an accent, a speed and a pitch of its own.
        utterances: What each of them says; every fourth of an English voice is a single word.
        other_languages: Share of the voices that speaks German, French, Spanish or Italian.
        noisy: Share of the utterances behind which white or pink noise or babble is heard, at 20, 10 or 5 dB.
        seed: Draws voices, words, noise and the split of sentences.
        folder: Where recordings (one FLAC file a voice, 150 MB in all by default) are written, and found again; empty
            takes `$CROSSMOD_CACHE/speech/synthesised`, or `~/.cache/crossmod/speech/synthesised`.
    """

    voices: int = 60
    utterances: int = 80
    other_languages: float = 0.2
    noisy: float = 0.5
    seed: int = 0
    folder: str = ""

    def __post_init__(self) -> None:
        if self.voices < 5 or self.utterances < 4:
            raise UserError(
                f"data.voices is {self.voices} and data.utterances {self.utterances}; three splits need at least 5 "
                "voices with 4 utterances each."
            )
        if not (0 <= self.other_languages <= 0.4 and 0 <= self.noisy <= 1):
            raise UserError(
                f"data.other_languages is {self.other_languages} and data.noisy {self.noisy}; they are shares, of at "
                "most 0.4 and 1."
            )

    def build(self) -> Corpus:
        """Draw voices and sentences, and speak what is not there yet."""
        from crossmod_speech.synthesis.assembly import embedded_speech

        return embedded_speech(self)


@dataclass(frozen=True, kw_only=True)
class UtteranceData(SpeechData, ABC):
    """A corpus that is read utterance by utterance, which `SpeechMixture` can join with others."""

    @abstractmethod
    def read(self) -> Reading:
        """Read the utterances."""

    def build(self) -> Corpus:
        """Read the utterances and lay them out."""
        from crossmod_speech.corpora.utterances import assemble

        return assemble(self.read())


@dataclass(frozen=True, kw_only=True)
class SpeechTable(UtteranceData):
    """A table of your own (CSV, TSV, JSON lines or Parquet): recordings or parts of them, and what is said.

    Recordings are WAV, FLAC, Ogg, Opus or MP3 files at any rate, in a folder or in one ZIP archive. Rows with the same
    words are no negatives of one another. A row without words is kept where it has a label (such as silence).

    Args:
        path: The table.
        audio: Its column of recordings, relative to `root` and never out of it.
        text: Its column of what is said, or several; each is a text of its own (a transcript, a translation).
        root: The folder or ZIP archive of the recordings; empty takes the folder of the table.
        start: Column of seconds at which an utterance begins within its recording; empty takes the beginning.
        end: Column of seconds at which it ends; empty takes the end.
        id: Column of names of utterances; empty takes recording and times.
        speaker: Column of speakers; none may stand in two splits. Empty takes every recording for a speaker.
        lower_case: Write texts in lower case, as transcripts in capitals need beside prompts.
        labels: Columns of classes, by which zero-shot and probes score; prompts are their names as words.
        templates: What prompts are made of, with {} for the name; several are averaged.
        attributes: Columns of what is known of speakers or recordings (sex, accent), by whose values the evaluation
            `subgroups` scores.
        split_by: "speaker" at random, "column" for `split_column`, "named" for the speakers named below.
        split_column: Column that holds train, validation, test or nothing.
        test_speakers: Speakers that test, where the split is by name.
        validation_speakers: Speakers that validate, where the split is by name.
        fractions: Shares of train, validation and test speakers, where they are drawn.
        split_seed: Draws them.
    """

    path: str
    audio: str = "path"
    text: str | list[str] = "text"
    root: str = ""
    start: str = ""
    end: str = ""
    id: str = ""
    speaker: str = ""
    lower_case: bool = False
    labels: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=lambda: ["{}"])
    attributes: list[str] = field(default_factory=list)
    split_by: Literal["speaker", "column", "named"] = "speaker"
    split_column: str = "split"
    test_speakers: list[str] = field(default_factory=list)
    validation_speakers: list[str] = field(default_factory=list)
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_seed: int = 0

    def read(self) -> Reading:
        """Read the table."""
        from crossmod_speech.corpora.speech_table import read_speech_table

        return read_speech_table(self)


@dataclass(frozen=True, kw_only=True)
class SpeechMixture(UtteranceData):
    """Several corpora as one: words that two of them hold are one text, speakers and labels stay apart.

    Args:
        parts: By name, the corpora; labels and identifiers are prefixed with the name, and it is an attribute.
        splits: By name, the splits that are taken of a corpus; one that is not named gives all. Such as only the test
            split of clips that a model is to meet for the first time.
    """

    parts: dict[str, UtteranceData]
    splits: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> Reading:
        """Read all of them."""
        from crossmod_speech.corpora.mixture import read_mixture

        return read_mixture(self)
