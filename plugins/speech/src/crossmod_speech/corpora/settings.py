"""Settings of published corpora in the layouts that they are distributed in (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from crossmod.errors import UserError
from crossmod_speech.data import UtteranceData

if TYPE_CHECKING:
    from crossmod_speech.corpora.utterances import Reading


@final
@dataclass(frozen=True, kw_only=True)
class LibriSpeech(UtteranceData):
    """A LibriSpeech tree (ICASSP 2015): PART/SPEAKER/CHAPTER with recordings and a table of transcripts.

    Folders train-* train, dev-* validate, test-* test, as its authors split the speakers. Transcripts are in capitals
    and read in lower case. The sex of speakers is an attribute where SPEAKERS.TXT is there.

    Args:
        root: The folder that holds `train-clean-100` and the like, or its parent with `LibriSpeech` in it.
        parts: Folders that are read; empty reads all that are there.
    """

    root: str
    parts: list[str] = field(default_factory=list)

    def read(self) -> Reading:
        """Walk the tree."""
        from crossmod_speech.corpora.librispeech import read_librispeech

        return read_librispeech(self)


@final
@dataclass(frozen=True, kw_only=True)
class CommonVoice(UtteranceData):
    """One language of Common Voice (arXiv:1912.06670): train.tsv, dev.tsv and test.tsv beside the folder clips.

    Age, sex, accent and language form subgroups, as far as speakers stated them.

    Args:
        root: The folder of the language.
    """

    root: str

    def read(self) -> Reading:
        """Read the tables."""
        from crossmod_speech.corpora.common_voice import read_common_voice

        return read_common_voice(self)


@final
@dataclass(frozen=True, kw_only=True)
class SpeechCommands(UtteranceData):
    """A Speech Commands tree (arXiv:1804.03209): a folder a word, and the lists of what validates and tests.

    The label "word" has every word; "command" has the ten commands, "unknown" for the other words, and "silence" for
    seconds of the background noises, which have no text. The folders _unknown_ and _silence_ of the separate test
    archive are read as such, as test clips where no list is beside them.

    Args:
        root: The folder of the folders.
        silence: Share of a split's clips that the seconds of background noise may be at most.
        templates: What prompts are made of, with {} for the word; several are averaged.
    """

    root: str
    silence: float = 0.1
    templates: list[str] = field(default_factory=lambda: ["{}"])

    def read(self) -> Reading:
        """Walk the tree."""
        from crossmod_speech.corpora.speech_commands import read_speech_commands

        return read_speech_commands(self)


@final
@dataclass(frozen=True, kw_only=True)
class Slurp(UtteranceData):
    """SLURP (EMNLP 2020): train.jsonl, devel.jsonl and test.jsonl, and a folder of their recordings.

    Every recording of a sentence is an utterance. The label "intent" is scenario and action, "scenario" the first of
    them; prompts are their names as words. Speakers are not named by these files, and some stand in several splits.

    Args:
        root: The folder of the tables.
        audio: The folder of the recordings; empty takes `root`.
        templates: What prompts are made of, with {} for the name; several are averaged.
    """

    root: str
    audio: str = ""
    templates: list[str] = field(default_factory=lambda: ["{}"])

    def read(self) -> Reading:
        """Read the tables."""
        from crossmod_speech.corpora.slurp import read_slurp

        return read_slurp(self)


@final
@dataclass(frozen=True, kw_only=True)
class SpokenSlurp(UtteranceData):
    """Sentences of SLURP (EMNLP 2020), spoken by a synthesiser: no recording of the corpus is needed.

    Sentences of `training` are said by training voices and, a tenth of them, by validation voices; those of `test` by
    test voices. Sentences that stand in both are left to the test. Labels are those of `Slurp`.

    Args:
        training: Table (JSON lines as published, or CSV, TSV) with the columns sentence, scenario and action.
        test: Another.
        unseen: Intents that are left out of training and validation, and form the label "unseen intent"; drawn among
            those with the most test sentences.
        voices: Speakers, all of English.
        readings: Different voices that say each training sentence; test and validation sentences are said once.
        noisy: Share of the utterances behind which noise is heard, at 20, 10 or 5 dB.
        templates: What prompts are made of, with {} for the name; several are averaged.
        seed: Draws voices, noise and the validation sentences.
        folder: Where recordings are written; see `EmbeddedSpeech`.
    """

    training: str
    test: str
    unseen: int = 10
    voices: int = 60
    readings: int = 2
    noisy: float = 0.5
    templates: list[str] = field(default_factory=lambda: ["{}"])
    seed: int = 0
    folder: str = ""

    def __post_init__(self) -> None:
        if self.voices < 5 or self.readings < 1 or self.unseen < 0:
            raise UserError(
                f"data.voices is {self.voices}, data.readings {self.readings} and data.unseen {self.unseen}; give at "
                "least 5, 1 and 0."
            )

    def read(self) -> Reading:
        """Read the tables, and speak what is not there yet."""
        from crossmod_speech.synthesis.spoken_slurp import read_spoken_slurp

        return read_spoken_slurp(self)
