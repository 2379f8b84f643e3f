"""A table of one's own: folders, archives, segments, speakers, labels, and rows that cannot be used."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crossmod.contracts.corpus import Corpus
from crossmod.errors import UserError
from crossmod_speech.data import SpeechTable
from crossmod_speech.processors import WaveformProcessor
from crossmod_speech.readers.recordings import read_speech


def read(folder: Path, lines: list[str], **options: Any) -> Corpus:
    path = folder / "table.tsv"
    path.write_text("\n".join(line.replace(";", "\t") for line in lines) + "\n", encoding="utf-8")
    return SpeechTable(path=str(path), **options).build()


def reasons(corpus: Corpus) -> dict[int, tuple[str, str]]:
    return {entry.line: (entry.modality, entry.reason) for entry in corpus.rejected}


def test_speakers_are_split_at_random_and_whole(tmp_path: Path) -> None:
    lines = ["path;text;who"] + [f"{n}.wav;sentence {n};s{n // 5}" for n in range(200)]
    corpus = read(tmp_path, lines, speaker="who")
    assert corpus.subject is not None and corpus.columns["speech"].items[0].path == str(tmp_path / "0.wav")
    pairs = sorted(set(zip(corpus.subject.tolist(), corpus.split.tolist(), strict=True)))
    assert len(pairs) == 40
    splits = [split for _, split in pairs]
    assert [splits.count(name) for name in ("train", "validation", "test")] == [32, 4, 4]
    again = read(tmp_path, lines, speaker="who", split_seed=1)
    assert again.split.tolist() != corpus.split.tolist()


def test_segments_of_one_recording_are_utterances(tmp_path: Path) -> None:
    rate = 8000
    time = np.arange(3 * rate) / rate
    soundfile.write(tmp_path / "long.wav", 0.4 * np.sin(2 * np.pi * 100 * (1 + np.floor(time)) * time), rate)
    lines = ["path;from;to;text", "long.wav;0;1;first", "long.wav;1;2;second", "long.wav;2;;third", "long.wav;;;all"]
    corpus = read(tmp_path, lines, start="from", end="to")
    sources = corpus.columns["speech"].items
    assert [read_speech(source, rate, 9)[0].size for source in sources] == [8000, 8000, 8000, 24000]
    for second, source in enumerate(sources[:3], 1):
        spectrum = np.abs(np.fft.rfft(read_speech(source, rate, 9)[0].astype(float)))
        assert spectrum.argmax() == 100 * second
    # Random splits keep the parts of one recording together.
    assert len(set(corpus.split.tolist())) == 1 and len(set(corpus.ids)) == 4


def test_recordings_in_an_archive(tmp_path: Path, processor: WaveformProcessor) -> None:
    soundfile.write(tmp_path / "a.flac", np.sin(np.arange(8000)) * 0.5, 16000)
    with zipfile.ZipFile(tmp_path / "audio.zip", "w") as archive:
        archive.write(tmp_path / "a.flac", "clips/a.flac")
    (tmp_path / "a.flac").unlink()
    lines = ["path;text", "clips/a.flac;yes", "./clips/../clips/a.flac;again", "../a.flac;out", "/etc/a.flac;out"]
    lines += ["clips/b.flac;absent"]
    corpus = read(tmp_path, lines, root=str(tmp_path / "audio.zip"))
    items = corpus.columns["speech"].items
    assert {(item.path, item.archive) for item in items} == {
        (name, str(tmp_path / "audio.zip")) for name in ("clips/a.flac", "clips/b.flac")
    }
    assert {line: reason for line, (_, reason) in reasons(corpus).items()} == {
        3: "the same recording stands on line 2 already",
        4: "the path leads out of the root folder",
        5: "the path leads out of the root folder",
    }
    processed = processor.process(items)
    assert processed.rejected == [(1, "the archive holds no such file")]


def test_rows_that_cannot_be_used_are_named_with_their_lines(tmp_path: Path) -> None:
    lines = ["path;text;start;end;name;class"]
    lines += ["a.wav;fine;0;1;one;x", ";words without sound;0;1;two;x", "b.wav;;0;1;three;", "../b.wav;out;0;1;four;x"]
    lines += ["c.wav;no number;soon;1;five;x", "d.wav;again;0;1;one;x", "e.wav;too few", "f\0.wav;zero;0;1;six;x"]
    lines += ["g.wav; ;;;seven;silence", "h.wav;fine too;;;eight;"]
    corpus = read(tmp_path, lines, id="name", start="start", end="end", labels=["class"])
    assert corpus.ids == ["one", "seven", "eight"]
    assert reasons(corpus) == {
        3: ("speech", "the cell of 'path' is empty: no recording"),
        4: ("text", "its text is empty"),
        5: ("speech", "the path leads out of the root folder"),
        6: ("speech", "its start is 'soon', which is no number of seconds"),
        7: ("speech", "the id 'one' stands on line 2 already"),
        8: ("speech", "the row has 2 cells where the header has 6"),
        9: ("speech", "the path holds a zero byte"),
    }
    assert corpus.columns["text"].item.tolist() == [0, -1, 1]


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1e99"])
def test_times_that_no_recording_has_are_left_to_its_reader(
    tmp_path: Path, processor: WaveformProcessor, seconds: str
) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000)) * 0.5, 16000)
    corpus = read(tmp_path, ["path;text;from", f"a.wav;yes;{seconds}"], start="from")
    [(place, reason)] = processor.process(corpus.columns["speech"].items).rejected
    assert place == 0 and "its part from" in reason


def test_the_same_recording_twice_is_rejected(tmp_path: Path) -> None:
    corpus = read(tmp_path, ["path;text", "a.wav;one", "./a.wav;two", "a.wav;one"])
    assert reasons(corpus)[4] == ("speech", "the same recording stands on line 2 already")
    assert reasons(corpus)[3] == ("speech", "the same recording stands on line 2 already")


def test_labels_are_classes_with_prompts_of_their_words(tmp_path: Path) -> None:
    lines = ["path;text;wish", "a.wav;lights out;lights_off", "b.wav;more light;lights_on", "c.wav;hm;nan"]
    corpus = read(tmp_path, lines, labels=["wish"], templates=["{}", "please: {}"])
    label = corpus.labels["wish"]
    assert label.classes == ("lights_off", "lights_on") and label.modality == "speech"
    assert label.prompts["lights_on"] == ["lights on", "please: lights on"]
    assert label.values[:2].tolist() == [0.0, 1.0] and np.isnan(label.values[2])


def test_several_texts_and_lower_case(tmp_path: Path) -> None:
    lines = ["path;text;english", "a.wav;GUTEN TAG;Good day", "b.wav;OK;OK", "c.wav;;Only this"]
    corpus = read(tmp_path, lines, text=["text", "english"], lower_case=True)
    texts = [corpus.columns["text"].items[place] for place in corpus.columns["text"].item]
    assert texts == ["guten tag", "good day", "ok", "only this"]


def test_a_split_column_with_a_speaker_on_both_sides_is_refused(tmp_path: Path) -> None:
    lines = ["path;text;split;who", "a.wav;one;train;s", "b.wav;two;dev;t", "c.wav;three;test;s"]
    with pytest.raises(UserError, match="has the speaker s in two splits: a.wav is in train, c.wav in test"):
        read(tmp_path, lines, speaker="who", split_by="column")
    corpus = read(tmp_path, lines, split_by="column")
    assert corpus.split.tolist() == ["train", "validation", "test"]


def test_named_speakers_test_and_validate(tmp_path: Path) -> None:
    lines = ["path;text;who"] + [f"{n}.wav;number {n};s{n}" for n in range(4)]
    options: dict[str, Any] = {"speaker": "who", "split_by": "named", "test_speakers": ["s3"]}
    corpus = read(tmp_path, lines, **options, validation_speakers=["s0"])
    assert corpus.split.tolist() == ["validation", "train", "train", "test"]
    with pytest.raises(UserError, match="no speaker 's9'; its speakers are s0, s1, s2, s3"):
        read(tmp_path, lines, **options, validation_speakers=["s9"])
    with pytest.raises(UserError, match="needs the column of speakers"):
        read(tmp_path, lines, split_by="named", test_speakers=["s3"])


def test_what_does_not_fit_the_table_is_refused(tmp_path: Path) -> None:
    lines = ["file;text", "a.wav;one"]
    with pytest.raises(UserError, match="no column 'path'"):
        read(tmp_path, lines)
    with pytest.raises(UserError, match="neither a folder nor a ZIP archive"):
        read(tmp_path, lines, audio="file", root=str(tmp_path / "absent"))
    with pytest.raises(UserError, match="no usable utterance .1 rejected"):
        read(tmp_path, ["file;text", "a.wav;"], audio="file")
    with pytest.raises(UserError, match="has the split 'half'"):
        read(tmp_path, ["path;text;split", "a.wav;one;half"], split_by="column")


PUBLISHED = {
    "librispeech": ({"attributes": ["sex"], "speaker": "speaker"}, {"train": 986, "validation": 183, "test": 139}),
    "fsdd": ({"labels": ["text"], "attributes": ["speaker"]}, {"train": 2700, "test": 300}),
    "speech_commands": (
        {"labels": ["label"], "speaker": "speaker"},
        {"train": 592, "validation": 142, "test": 235},
    ),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_real_clips(name: str, processor: WaveformProcessor) -> None:
    data = Path(os.environ.get("CROSSMOD_DATA", Path(__file__).parents[4] / "shared" / "data")) / "speech" / name
    if not data.is_dir():
        pytest.skip(f"the clips are not here; set CROSSMOD_DATA to the folder that holds speech/{name}")
    options, rows = PUBLISHED[name]
    corpus = SpeechTable(
        path=str(data / "index.tsv.gz"), root=str(data / "audio.zip"), audio="file", split_by="column", **options
    ).build()
    assert {split: len(corpus.rows(split)) for split in rows} == rows
    assert sum(rows.values()) == len(corpus) and not corpus.rejected
    items = corpus.columns["speech"].items
    assert not processor.process([items[0], items[len(items) // 2], items[-1]]).rejected
