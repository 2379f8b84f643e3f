"""SLURP's tables: every recording of a sentence, intents as words, and rows that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossmod.errors import UserError
from crossmod_speech.corpora.settings import Slurp


def row(number: int, sentence: str, intent: tuple[str, str], *files: str) -> dict[str, Any]:
    return {
        "slurp_id": number,
        "sentence": sentence,
        "scenario": intent[0],
        "action": intent[1],
        "recordings": [{"file": file, "wer": 0.0, "status": "correct"} for file in files],
    }


def write(path: Path, *rows: dict[str, Any] | str) -> None:
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_every_recording_is_an_utterance_of_its_sentence(tmp_path: Path) -> None:
    files = ("audio-1.flac", "audio-2-headset.flac", "audio-1.flac")
    write(tmp_path / "train.jsonl", row(7, "wake me up", ("alarm", "set"), *files))
    write(tmp_path / "devel.jsonl", row(8, "any news", ("news", "query"), "audio-3.flac"))
    write(tmp_path / "test.jsonl", row(9, "lights off", ("iot", "hue_lightoff"), "audio-4.flac"))
    corpus = Slurp(root=str(tmp_path), audio=str(tmp_path / "slurp_real"), templates=["{}", "it is about {}"]).build()
    assert corpus.ids == ["7/audio-1.flac", "7/audio-2-headset.flac", "8/audio-3.flac", "9/audio-4.flac"]
    assert corpus.split.tolist() == ["train", "train", "validation", "test"]
    assert corpus.group.tolist() == [0, 0, 1, 2]
    assert corpus.columns["speech"].items[0].path == str(tmp_path / "slurp_real" / "audio-1.flac")
    assert corpus.attributes["microphone"].tolist() == ["distant", "headset", "distant", "distant"]
    intent, scenario = corpus.labels["intent"], corpus.labels["scenario"]
    assert intent.classes == ("alarm_set", "iot_hue_lightoff", "news_query")
    assert intent.prompts["iot_hue_lightoff"] == ["iot hue lightoff", "it is about iot hue lightoff"]
    assert [scenario.classes[int(value)] for value in scenario.values] == ["alarm", "alarm", "news", "iot"]


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    good = row(1, "fine", ("a", "b"), "a.flac")
    write(
        tmp_path / "train.jsonl",
        good,
        row(2, "  ", ("a", "b"), "b.flac"),
        row(3, "no action", ("a", ""), "c.flac"),
        row(4, "no recording", ("a", "b")),
        row(5, "out", ("a", "b"), "../../out.flac"),
        "not json",
        {**good, "slurp_id": 6, "recordings": "audio.flac"},
        {**good, "slurp_id": 7, "recordings": [3, {"file": None}]},
    )
    corpus = Slurp(root=str(tmp_path)).build()
    assert corpus.ids == ["1/a.flac"]
    found = {entry.line: (entry.modality, entry.reason) for entry in corpus.rejected}
    assert found.pop(6)[1].startswith("the line is not a JSON object")
    assert found == {
        2: ("text", "its sentence is empty"),
        3: ("text", "its scenario or its action is empty"),
        4: ("speech", "it names no recording"),
        5: ("speech", "the path leads out of the root folder"),
        7: ("speech", "it names no recording"),
        8: ("speech", "it names no recording"),
    }


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has none of train\.jsonl"):
        Slurp(root=str(tmp_path)).build()
