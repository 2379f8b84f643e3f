"""Reads a LibriSpeech tree: recordings of chapters, each beside a table of what is said in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from crossmod.contracts.corpus import Rejected
from crossmod.errors import UserError
from crossmod.sources.rows import UnusableRow
from crossmod.sources.tables import text_lines
from crossmod_speech.corpora.settings import LibriSpeech
from crossmod_speech.corpora.utterances import Reading, Utterance
from crossmod_speech.sources import SpeechSource

SPLITS_OF_PARTS = {"train": "train", "dev": "validation", "test": "test"}
SUFFIXES = (".flac", ".opus", ".ogg", ".wav", ".mp3")
SEXES = {"F": "female", "M": "male"}


def read_librispeech(settings: LibriSpeech) -> Reading:
    """Walk the tree.

    Raises:
        UserError: There is no part, or not one that `parts` names.
    """
    root = Path(settings.root)
    base = root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root
    sexes = _sexes(base)
    utterances: list[Utterance] = []
    rejected: list[Rejected] = []
    for part in _parts(base, settings):
        for chapter in sorted(path for path in part.glob("*/*") if path.is_dir()):
            utterances += _chapter(part.name, chapter, sexes, rejected)
    facts = {
        "source": "LibriSpeech (Panayotov, Chen, Povey, Khudanpur, ICASSP 2015)",
        "licence": "CC BY 4.0",
        "split": "the folders' own, by speaker",
        "texts": "in lower case, without punctuation",
    }
    return Reading("LibriSpeech", utterances, facts=facts, rejected=rejected)


def _parts(base: Path, settings: LibriSpeech) -> Iterator[Path]:
    found = sorted(path for path in base.glob("*-*") if path.is_dir() and path.name.split("-")[0] in SPLITS_OF_PARTS)
    names = [path.name for path in found]
    if not found:
        raise UserError(f"{base} has no folder such as train-clean-100 or dev-clean; give the tree with --data.root.")
    if missing := [part for part in settings.parts if part not in names]:
        raise UserError(f"{base} has no part {missing[0]!r}; its parts are {', '.join(names)}.")
    yield from (path for path in found if not settings.parts or path.name in settings.parts)


def _chapter(part: str, chapter: Path, sexes: Mapping[str, str], rejected: list[Rejected]) -> Iterator[Utterance]:
    speaker = chapter.parent.name
    recordings = {path.stem: path for path in sorted(chapter.iterdir()) if path.suffix.lower() in SUFFIXES}
    table = chapter / f"{speaker}-{chapter.name}.trans.txt"
    known = {"sex": sexes.get(speaker, ""), "part": part}
    told: set[str] = set()
    for line, row in enumerate(text_lines(table) if table.is_file() else (), 1):
        name, _, text = row.strip().partition(" ")
        if not name:
            continue
        try:
            if name in told:
                raise UnusableRow("speech", name, f"{table.name} has two lines of it")
            told.add(name)
            if not text.strip():
                raise UnusableRow("text", name, "its text is empty")
            if "/" in name or "\\" in name or "\0" in name:
                raise UnusableRow(
                    "speech", name, "its name holds a slash or a zero byte; names of utterances have none"
                )
        except UnusableRow as fault:
            rejected.append(fault.at(line))
            continue
        # The reader of recordings says of a missing one that there is no such file.
        source = SpeechSource(str(recordings.get(name, chapter / f"{name}.flac")))
        text = " ".join(text.lower().split())
        yield Utterance(name, speaker, SPLITS_OF_PARTS[part.split("-")[0]], source, line, (text,), {}, known)
    rejected += [
        UnusableRow("speech", str(recordings[name]), f"{table.name} has no line of it").at(1)
        for name in recordings.keys() - told
    ]


def _sexes(base: Path) -> dict[str, str]:
    """By speaker, as SPEAKERS.TXT states it."""
    table = base / "SPEAKERS.TXT"
    if not table.is_file():
        return {}
    rows = [line.split("|") for line in text_lines(table) if not line.startswith(";")]
    return {row[0].strip(): SEXES.get(row[1].strip().upper(), "") for row in rows if len(row) > 1}
