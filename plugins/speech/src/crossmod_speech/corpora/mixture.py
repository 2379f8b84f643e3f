"""Joins several corpora of utterances to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossmod.contracts.corpus import SPLITS
from crossmod.errors import UserError
from crossmod_speech.corpora.utterances import Classes, Reading, Utterance
from crossmod_speech.data import SpeechMixture


def read_mixture(settings: SpeechMixture) -> Reading:
    """Read every part and join what they hold.

    Raises:
        UserError: There is no part, or `splits` names a part or a split that is none.
    """
    if not settings.parts:
        raise UserError("data.parts is empty; name one corpus at least, as --data.parts.NAME=SpeechTable.")
    for name, splits in settings.splits.items():
        if name not in settings.parts:
            raise UserError(f"data.splits names {name!r}; the parts are {', '.join(settings.parts)}.")
        if strangers := sorted(set(splits) - set(SPLITS)):
            raise UserError(f"data.splits gives {name!r} the split {strangers[0]!r}; there are {', '.join(SPLITS)}.")
    readings = {name: part.read() for name, part in settings.parts.items()}
    utterances: list[Utterance] = []
    labels: list[Classes] = []
    for name, reading in readings.items():
        kept = [one for one in reading.utterances if one.split in settings.splits.get(name, (*SPLITS, ""))]
        if not kept:
            raise UserError(f"data.parts.{name} holds no utterance of the splits that data.splits takes of it.")
        utterances += _prefixed(name, kept)
        labels += [Classes(f"{name} {label.name}", label.prompts) for label in reading.labels]
    return Reading(
        " + ".join(readings),
        utterances,
        labels,
        facts={f"{name}: {key}": value for name, reading in readings.items() for key, value in reading.facts.items()},
        rejected=[entry for reading in readings.values() for entry in reading.rejected],
    )


def _prefixed(name: str, utterances: Sequence[Utterance]) -> list[Utterance]:
    return [
        replace(
            one,
            id=f"{name}/{one.id}",
            speaker=f"{name}/{one.speaker}" if one.speaker else "",
            labels={f"{name} {label}": value for label, value in one.labels.items()},
            attributes={**one.attributes, "corpus": name},
        )
        for one in utterances
    ]
