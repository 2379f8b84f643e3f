"""Error rates and tables of SpeechT5's evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.evaluation.run import run_evaluation
from crossmod.training.assemble import Parts
from crossmod_report import Table
from crossmod_speech.speecht5.error_rates import compared, count_errors
from crossmod_speech.speecht5.evaluated import spoken_rows
from crossmod_speech.speecht5.evaluation_settings import EVALUATIONS
from crossmod_speech.speecht5.nearest_recordings import nearest, outlines
from crossmod_speech.speecht5.objective_settings import Transcription

Make = Callable[..., Parts]


def distance(a: list[str], b: list[str]) -> int:
    """Levenshtein's, by its recursion."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row, last = [i], row
        for j, right in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (left != right)))
    return row[-1]


SENTENCES = st.lists(st.sampled_from(["turn", "the", "light", "on", "off"]), min_size=1, max_size=5).map(" ".join)


@given(st.lists(st.tuples(SENTENCES, SENTENCES | st.just("")), min_size=1, max_size=4))
def test_rates_are_edit_distances_over_lengths(pairs: list[tuple[str, str]]) -> None:
    said, written = (list(side) for side in zip(*pairs, strict=True))
    errors = count_errors(said, written)
    words = sum(distance(a.split(), b.split()) for a, b in pairs) / sum(len(a.split()) for a in said)
    letters = sum(distance(list(a), list(b)) for a, b in pairs) / sum(map(len, said))
    assert errors.word_rate == pytest.approx(words) and errors.letter_rate == pytest.approx(letters)
    assert errors.exact == sum(a == b for a, b in pairs) / len(pairs)


def test_case_and_punctuation_are_no_errors_and_apostrophes_are() -> None:
    assert count_errors(["What's on, now?"], ["what's ON now"]).word_rate == 0
    assert count_errors(["what's on"], ["whats on"]).word_rate == 0.5
    assert compared("...") == ""
    with pytest.raises(ValueError, match="reference 1 holds no word"):
        count_errors(["a", "?!"], ["a", "a"])
    with pytest.raises(ValueError, match="1 texts cannot be compared with 2"):
        count_errors(["a", "b"], ["a"])


def test_intervals_resample_speakers() -> None:
    errors = count_errors(["a"] * 40, ["a"] * 20 + ["b"] * 20)
    speaker = torch.arange(40) // 20
    assert errors.word_interval(speaker, seed=0, resamples=200) == (0.0, 1.0)
    low, high = errors.word_interval(None, seed=0, resamples=200)
    assert 0.2 < low < 0.5 < high < 0.8


def test_the_nearest_recording_says_the_same(make: Make) -> None:
    parts = make({"write": Transcription()})
    context = EvaluationContext(parts.model.eval(), recipe=None, ready=parts.prepared)
    asked, known = (spoken_rows(context, split, "speech", "text") for split in ("test", "train"))
    found = nearest(outlines(asked.tower, asked.utterances, 4), outlines(known.tower, known.utterances, 64))
    assert [known.said[place] for place in found.tolist()] == asked.said


def test_rows_that_repeat_a_pair_count_once(make: Make) -> None:
    parts = make({"write": Transcription()})
    corpus = parts.prepared.corpus
    rows = corpus.rows("test")
    twice = torch.cat([torch.arange(len(corpus)), torch.from_numpy(rows)])
    doubled = replace(
        parts.prepared,
        corpus=replace(
            corpus,
            ids=[corpus.ids[row] for row in twice.tolist()],
            group=corpus.group[twice.numpy()],
            split=corpus.split[twice.numpy()],
            subject=corpus.subject[twice.numpy()],
        ),
        item={name: item[twice] for name, item in parts.prepared.item.items()},
        group=parts.prepared.group[twice],
    )
    found = spoken_rows(EvaluationContext(parts.model, recipe=None, ready=doubled), "test", "speech", "text")
    assert len(found) == len(rows) and found.speaker.tolist() == corpus.subject[rows].tolist()


def table(parts: Parts, name: str, *words: str) -> Table:
    context = EvaluationContext(parts.model.eval(), recipe=None, ready=parts.prepared)
    [found] = run_evaluation(context, EVALUATIONS[name], list(words))
    return found


@pytest.mark.parametrize("words", [(), ("--by=ctc",), ("--beam=2",)])
def test_transcription_stands_beside_two_baselines(make: Make, words: tuple[str, ...]) -> None:
    found = table(make({"write": Transcription()}), "transcription", "--resamples=10", *words)
    assert [row.role for row in found.rows] == ["result", "reference", "reference"]
    nearest_row = found.rows[1].cells
    assert nearest_row["wer"].value == 0 and nearest_row["exact"] == 100
    assert found.rows[0].cells["wer"].value > 0


def test_codes_are_counted_by_modality(make: Make) -> None:
    parts = make({"write": Transcription()})
    found = {row.cells["states"]: row.cells for row in table(parts, "shared-codes").rows}
    assert list(found) == ["speech", "text", "both"]
    assert found["both"]["tokens"] == found["speech"]["tokens"] + found["text"]["tokens"]
    rows = parts.prepared.corpus.rows("test")
    frames = [
        parts.model.tower("speech").processor.shape.frames(n)
        for n in parts.prepared.inputs["speech"].waveforms.lengths[parts.prepared.item["speech"][rows]].tolist()
    ]
    assert found["speech"]["tokens"] == sum(frames)
    for group in range(2):
        assert 1 <= found["both"][f"perplexity {group}"] <= found["both"][f"used {group}"] <= 8
        assert 0 <= found["both"][f"shared {group}"] <= 100


def test_synthesis_is_told_free_and_of_another_text(make: Make) -> None:
    parts = make({"write": Transcription()})
    options = ("--utterances=4", "--longest_seconds=0.3")
    found = {row.cells["speech"]: row.cells for row in table(parts, "synthesis", *options, "--split=train").rows}
    told, same = found["told the frames before"], found["another voice, same text"]
    assert told["length"] == 1 and told["error"] > 0 and told["distance"] > 0
    assert same["utterances"] == 0 or same["distance"] < found["mean frame of training"]["distance"]
    assert table(parts, "synthesis", *options) == table(parts, "synthesis", *options), "the seed decides"


def test_a_split_without_pairs_is_refused_in_words(make: Make) -> None:
    with pytest.raises(UserError, match="test split of tones has no speech with a text"):
        table(make({"write": Transcription()}, unpaired=True), "transcription")
