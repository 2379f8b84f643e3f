"""From utterances, each with its texts and labels, to a corpus: equal words share a group, no speaker two splits."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossmod.contracts.corpus import Corpus, Label, Rejected
from crossmod.errors import UserError
from crossmod.sources.distinct import distinct
from crossmod.sources.groups import groups_of
from crossmod.sources.items import column_of
from crossmod_speech.sources import SpeechSource


@dataclass(frozen=True)
class Utterance:
    """One utterance as a source states it.

    Args:
        id: Its identifier.
        speaker: Whose voice it is; empty where nobody says, which makes every recording a speaker.
        split: "train", "validation", "test", or nothing for candidates only.
        source: The recording, or its part.
        line: Its line in the source.
        texts: What is said, and whatever else is written of it; empty for noise.
        labels: By name, the class that it belongs to; what is missing is unknown.
        attributes: By name (sex, accent, language), what is known of speaker and recording.
    """

    id: str
    speaker: str
    split: str
    source: SpeechSource
    line: int
    texts: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Classes:
    """The classes of one label, in order, each with sentences that say of an utterance that it belongs to it."""

    name: str
    prompts: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    Args:
        name: What reports call the corpus.
        utterances: All that can be used.
        labels: The labels that utterances hold.
        facts: What the model card should know.
        rejected: What cannot be used, and why.
    """

    name: str
    utterances: Sequence[Utterance]
    labels: Sequence[Classes] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    rejected: Sequence[Rejected] = ()


def assemble(reading: Reading) -> Corpus:
    """Lay utterances out as rows: each with every one of its texts.

    Rows of one recording share a group, and so do rows of a split that say the same words (in whatever case and
    punctuation). Words that are said in two splits are an item, and a group, in each.

    Raises:
        UserError: There is no utterance, or a speaker or a recording stands in two splits.
    """
    utterances = reading.utterances
    if not utterances:
        first = reading.rejected[0] if reading.rejected else None
        why = f"; the first: line {first.line}, {first.reason}" if first else ""
        raise UserError(
            f"{reading.name} has no usable utterance ({len(reading.rejected)} rejected{why}); look at its paths, "
            "columns and splits."
        )
    _refuse_leaks(reading)
    rows = [(number, text) for number, one in enumerate(utterances) for text in (*one.texts,) or (None,)]
    of_row = [utterances[number] for number, _ in rows]
    group = groups_of(
        [_recording(one) for one in of_row],
        [
            "" if text is None else f"{one.split}\n{said_words(text)}"
            for one, (_, text) in zip(of_row, rows, strict=True)
        ],
    )
    written = (
        None if text is None else ((own, text), text, utterances[number].line)
        for own, (number, text) in zip(group.tolist(), rows, strict=True)
    )
    speakers = [f"speaker\n{one.speaker}" if one.speaker else _recording(one) for one in of_row]
    names = dict.fromkeys(name for one in utterances for name, value in one.attributes.items() if value)
    return Corpus(
        name=reading.name,
        columns={
            "speech": column_of((_recording(one), one.source, one.line) for one in of_row),
            "text": column_of(written),
        },
        ids=[one.id for one in of_row],
        group=group,
        split=np.array([one.split for one in of_row], np.str_),
        facts={**reading.facts, "utterances": len(utterances), "speakers": len(set(speakers))},
        rejected=tuple(reading.rejected),
        labels={label.name: _label(label, of_row) for label in reading.labels},
        subject=np.array(distinct(speakers)[1], np.int64),
        attributes={name: np.array([one.attributes.get(name, "") for one in of_row], np.str_) for name in names},
    )


def said_words(text: str) -> str:
    """What two texts have in common that are spoken alike: no case, no punctuation but within words, single blanks.

    >>> said_words("Don't   STOP!"), said_words("don't stop")
    ("don't stop", "don't stop")
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    kept = "".join(
        letter if letter.isalnum() or letter == "'" or unicodedata.combining(letter) else " " for letter in folded
    )
    # A text of signs alone is still a text, and is equal to itself only.
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'")) or " ".join(folded.split())


def word_prompts(name: str, templates: Sequence[str] = ("{}",)) -> list[str]:
    """A class's name as words, in templates.

    >>> word_prompts("iot_hue_lightoff", ["{}", "please {}"])
    ['iot hue lightoff', 'please iot hue lightoff']
    """
    words = " ".join(name.replace("_", " ").split())
    return [template.replace("{}", words) for template in templates]


def _recording(one: Utterance) -> str:
    source = one.source
    return "\n".join((source.archive, source.path, f"{source.start_seconds}", f"{source.end_seconds}"))


def _label(label: Classes, of_row: Sequence[Utterance]) -> Label:
    place = {name: number for number, name in enumerate(label.prompts)}
    values = [float(place[one.labels[label.name]]) if label.name in one.labels else float("nan") for one in of_row]
    return Label(
        np.array(values, np.float64),
        "speech",
        tuple(label.prompts),
        {name: list(prompts) for name, prompts in label.prompts.items() if prompts},
    )


def _refuse_leaks(reading: Reading) -> None:
    seen: dict[tuple[str, str], Utterance] = {}
    for one in reading.utterances:
        for what, name in (("speaker", one.speaker), ("recording", _recording(one))):
            if not name or not one.split:
                continue
            first = seen.setdefault((what, name), one)
            if first.split != one.split:
                shown = one.speaker if what == "speaker" else str(one.source)
                raise UserError(
                    f"{reading.name} has the {what} {shown} in two splits: {first.id} is in {first.split}, {one.id} in "
                    f"{one.split}; split by speaker, or, if the split is meant so, name no speakers."
                )
