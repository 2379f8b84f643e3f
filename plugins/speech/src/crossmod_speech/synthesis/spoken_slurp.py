"""SLURP's sentences, said by the synthesiser: the corpus where the recordings are not at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.draw import Draw
from crossmod.sources.splits import by_hash
from crossmod.sources.tables import open_table
from crossmod_speech.corpora.settings import SpokenSlurp
from crossmod_speech.corpora.slurp import FACTS, slurp_labels, slurp_sentences
from crossmod_speech.corpora.utterances import Reading, Utterance, said_words
from crossmod_speech.synthesis.assembly import (
    ENGINE,
    line_source,
    recordings_folder,
    voice_attributes,
    write_recordings,
)
from crossmod_speech.synthesis.recording import Recording
from crossmod_speech.synthesis.script import Line, behind_noise
from crossmod_speech.synthesis.voices import Voice, draw_voices

VALIDATION = 0.1
"""Of the sentences of the training table."""

Sentences = Mapping[str, tuple[int, Mapping[str, str]]]
"""By sentence, its line in the table and what the table says of it."""


def read_spoken_slurp(settings: SpokenSlurp) -> Reading:
    """Read both tables and have every sentence said.

    Raises:
        UserError: A table or column is missing, or there are too few intents.
    """
    rejected: list[Rejected] = []
    training, test = (_sentences(path, rejected) for path in (settings.training, settings.test))
    unseen = _unseen(test, settings)
    tested = {said_words(text) for text in test}
    known = {text: entry for text, entry in training.items() if entry[1]["intent"] not in unseen}
    own = {text: entry for text, entry in known.items() if said_words(text) not in tested}
    if not own:
        raise UserError(f"{settings.training} holds no sentence of its own; the test table has them all.")
    order = by_hash(list(own), settings.seed)
    validation = order[: max(1, round(VALIDATION * len(order)))]
    texts = {"train": order[len(validation) :], "validation": validation, "test": list(test)}
    voices = draw_voices(settings.voices, 0.0, settings.seed)
    recordings = [
        recording
        for split, said in texts.items()
        for recording in _recordings([voice for voice in voices if voice.split == split], said, settings)
    ]
    folder = recordings_folder(settings.folder)
    times = write_recordings(recordings, folder, workers=settings.workers)
    utterances: list[Utterance] = []
    for recording, of_lines in zip(recordings, times, strict=True):
        table = test if recording.voice.split == "test" else own
        for number, line in enumerate(recording.lines):
            source = line_source(recording, number, of_lines, folder)
            place, stated = table[line.text]
            labels = {"unseen intent" if stated["intent"] in unseen else "intent": stated["intent"]}
            utterances.append(
                Utterance(
                    id=source.name,
                    speaker=recording.voice.name,
                    split=recording.voice.split,
                    source=source,
                    line=place,
                    texts=(line.text,),
                    labels={**labels, "scenario": stated["scenario"]},
                    attributes=voice_attributes(recording.voice, line),
                )
            )
    facts = {
        **FACTS,
        "licence": "texts CC BY 4.0",
        "speech": f"generated: spoken by {ENGINE}; no recording of the corpus is used",
        "folder": str(folder),
        "split": "by voice and by sentence: the training table trains and validates, the test table tests",
        "intents never trained on": sorted(unseen),
        "training sentences left out, as the test table has them too": len(known) - len(own),
    }
    labels_of_all = slurp_labels(utterances, settings.templates, ("intent", "unseen intent", "scenario"))
    return Reading("SLURP, spoken by a synthesiser", utterances, labels_of_all, facts, rejected)


def _sentences(path: str, rejected: list[Rejected]) -> Sentences:
    """By sentence; of those that stand twice the first."""
    found: dict[str, tuple[int, Mapping[str, str]]] = {}
    for row, stated in slurp_sentences(open_table(path), rejected):
        found.setdefault(stated["sentence"], (row.line, stated))
    if not found:
        raise UserError(f"{path} has no sentence with scenario and action; look at its columns.")
    return found


def _unseen(test: Sentences, settings: SpokenSlurp) -> frozenset[str]:
    """Intents that training shall not hear: drawn among the half with the most test sentences."""
    frequent = [intent for intent, _ in Counter(stated["intent"] for _, stated in test.values()).most_common()]
    half = sorted(frequent[: max(1, len(frequent) // 2)])
    if settings.unseen > len(half):
        raise UserError(f"data.unseen is {settings.unseen}; {settings.test} allows at most {len(half)}.")
    return frozenset(Draw("unseen", settings.seed).order(half)[: settings.unseen])


def _recordings(voices: Sequence[Voice], texts: Sequence[str], settings: SpokenSlurp) -> list[Recording]:
    """Deal texts to the voices of a split in turn; those of training get each as often as it is to be read."""
    lines: dict[Voice, dict[str, Line]] = {voice: {} for voice in voices}
    for reading in range(settings.readings if voices[0].split == "train" else 1):
        for number, text in enumerate(texts):
            voice = voices[(number + reading) % len(voices)]
            draw = Draw(voice.name, settings.seed, "reading", text)
            lines[voice].setdefault(text, behind_noise(Line(text), settings.noisy, draw))
    return [Recording(voice, tuple(said.values())) for voice, said in lines.items() if said]
