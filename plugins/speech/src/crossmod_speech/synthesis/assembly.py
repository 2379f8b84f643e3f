"""Makes the default corpus: draws voices and what they say, writes their recordings, and lays them out."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod.runs.atomic import write_text
from crossmod.sources.cache import cache_folder
from crossmod.workers import map_chunks
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance, assemble
from crossmod_speech.sources import SpeechSource
from crossmod_speech.synthesis.english import KEYWORDS, UNSEEN_KEYWORDS, UNSEEN_WORDINGS, WORDINGS, intent_prompts
from crossmod_speech.synthesis.recording import Recording, read_times, write_missing
from crossmod_speech.synthesis.script import Line, write_script
from crossmod_speech.synthesis.voices import Voice, draw_voices

if TYPE_CHECKING:
    from crossmod_speech.data import EmbeddedSpeech

ENGINE = "eSpeak NG (GPL-3.0-or-later), installed as espeakng-loader"

LABELS = (
    Classes("intent", {intent: intent_prompts(intent) for intent in WORDINGS}),
    Classes("unseen intent", {intent: intent_prompts(intent) for intent in UNSEEN_WORDINGS}),
    Classes("keyword", {word: [word] for word in KEYWORDS}),
    Classes("unseen keyword", {word: [word] for word in UNSEEN_KEYWORDS}),
)

COLUMNS = (
    *("path", "start", "end", "split", "voice", "sex", "language", "accent", "noise"),
    *("text", "meaning", "intent", "keyword"),
)


def embedded_speech(settings: EmbeddedSpeech) -> Corpus:
    """The corpus; recordings that are in the folder already are not spoken again.

    Raises:
        UserError: The engine does not run, or the folder cannot be written.
    """
    voices = draw_voices(settings.voices, settings.other_languages, settings.seed)
    recordings = [
        Recording(voice, tuple(write_script(voice, settings.utterances, settings.noisy, settings.seed)))
        for voice in voices
    ]
    folder = recordings_folder(settings.folder)
    times = write_recordings(recordings, folder, workers=settings.workers)
    utterances = [
        utterance
        for recording, of_lines in zip(recordings, times, strict=True)
        for utterance in _utterances(recording, of_lines, folder)
    ]
    _write_table(recordings, times, folder, settings)
    return assemble(
        Reading(
            "commands and keywords spoken by a synthesiser",
            utterances,
            LABELS,
            facts={
                "source": f"generated: spoken by {ENGINE}; no person was recorded",
                "licence": "none needed",
                "texts": "generated from templates; voices of other languages have a second text, the same in English",
                "folder": str(folder),
                "voices": settings.voices,
                "noise": f"{settings.noisy:.0%} of the utterances, at 20, 10 or 5 dB",
                "split": "by voice and by sentence; keywords are said in all splits",
                "never trained on": "the classes of unseen intent; those of unseen keyword are heard in sentences only",
            },
        )
    )


def recordings_folder(stated: str) -> Path:
    """Where recordings lie; their names tell those of different settings apart."""
    return (Path(stated).expanduser() if stated else cache_folder("speech") / "synthesised").absolute()


def write_recordings(recordings: Sequence[Recording], folder: Path, *, workers: int) -> list[list[tuple[float, float]]]:
    """Write the recordings that are not there yet, in worker processes; the times of the lines of all.

    Raises:
        UserError: The folder cannot be written.
    """
    missing = [recording for recording in recordings if not recording.is_written(folder)]
    write = partial(write_missing, folder=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = sum(map_chunks(write, missing, chunk=4, workers=workers, smallest=16, what="voices"))
    except OSError as error:
        raise UserError(
            f"the recordings cannot be written to {folder} ({error.strerror or error}); make room or name another "
            "--data.folder."
        ) from None
    assert done <= len(missing)
    return [read_times(recording, folder) for recording in recordings]


def voice_attributes(voice: Voice, line: Line) -> dict[str, str]:
    """What is known of the speaker and of the recording."""
    return {
        "voice": voice.name,
        "sex": voice.sex,
        "language": voice.language,
        "accent": voice.accent,
        "noise": line.noise or "none",
        "signal to noise": f"{line.signal_to_noise_db} dB" if line.noise else "no noise",
    }


def line_source(recording: Recording, number: int, times: Sequence[tuple[float, float]], folder: Path) -> SpeechSource:
    """The part of a recording that one line is."""
    start, end = times[number]
    name = f"{recording.voice.name}-{number + 1:03d}"
    return SpeechSource(str(recording.audio(folder)), start, end, name=name)


def _utterances(recording: Recording, times: Sequence[tuple[float, float]], folder: Path) -> list[Utterance]:
    voice = recording.voice
    found = []
    for number, line in enumerate(recording.lines):
        source = line_source(recording, number, times, folder)
        labels = {
            ("unseen intent" if line.intent in UNSEEN_WORDINGS else "intent"): line.intent,
            ("unseen keyword" if line.keyword in UNSEEN_KEYWORDS else "keyword"): line.keyword,
        }
        found.append(
            Utterance(
                id=source.name,
                speaker=voice.name,
                split=voice.split,
                source=source,
                line=number + 2,
                texts=tuple(filter(None, (line.text, line.meaning))),
                labels={name: value for name, value in labels.items() if value},
                attributes=voice_attributes(voice, line),
            )
        )
    return found


def _write_table(
    recordings: Sequence[Recording],
    times: Sequence[Sequence[tuple[float, float]]],
    folder: Path,
    settings: EmbeddedSpeech,
) -> None:
    """A table of all segments beside the recordings, for people who look into the folder and for `SpeechTable`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for recording, of_lines in zip(recordings, times, strict=True):
        voice, path = recording.voice, recording.audio(folder).name
        known = [voice.split, voice.name, voice.sex, voice.language, voice.accent]
        for line, (start, end) in zip(recording.lines, of_lines, strict=True):
            heard = voice_attributes(voice, line)["noise"]
            place = [path, f"{start:.7f}", f"{end:.7f}"]
            table.writerow([*place, *known, heard, line.text, line.meaning, line.intent, line.keyword])
    name = (
        f"segments-{settings.voices}-{settings.utterances}-{settings.other_languages}-{settings.noisy}-{settings.seed}"
    )
    write_text(folder / f"{name}.csv", text.getvalue())
