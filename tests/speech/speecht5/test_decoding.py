"""Beam search, CTC, and speech that goes on until it stops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from crossmod.contracts.batch import Batch
from crossmod.text.byte_pair import PADDING
from crossmod.training.assemble import Parts
from crossmod_speech.speecht5.beam_search import BeamOptions, beam_search
from crossmod_speech.speecht5.decoder import SharedDecoder
from crossmod_speech.speecht5.decoding_steps import DecodingSteps
from crossmod_speech.speecht5.objective_settings import SpokenText, Transcription
from crossmod_speech.speecht5.speaking import read_texts, say
from crossmod_speech.speecht5.tower import States
from crossmod_speech.speecht5.transcribing import TranscribingOptions, best_path, ctc_scores, transcribe

Make = Callable[..., Parts]
First = Callable[..., Batch]

START, END = 0, 1


def markov(seed: int, sources: int, tokens: int = 5) -> Tensor:
    """[sources, last token, next token] log-probabilities; the start is never said again."""
    scores = torch.randn(sources, tokens, tokens, generator=torch.Generator().manual_seed(seed))
    scores[..., START] = -torch.inf
    return scores.log_softmax(-1)


class Markov:
    """Tokens that depend on the one before, by the table of the source that a row goes back to."""

    def __init__(self, tables: Tensor) -> None:
        self.tables, self.source = tables, torch.arange(len(tables))

    def __call__(self, prefix: Tensor, parent: Tensor) -> Tensor:
        self.source = self.source[parent]
        return self.tables[self.source, prefix[:, -1]].clone()


def score(table: Tensor, ids: tuple[int, ...]) -> float:
    """Sum of the log-probabilities of a sequence and its end."""
    path = (START, *ids, END)
    return float(sum(table[a, b] for a, b in pairwise(path)))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_steps_give_what_the_whole_gives_and_follow_their_rows(norm: str) -> None:
    decoder = SharedDecoder(8, 2, 2, dropout=0.0, norm=norm).eval()
    states, mask = torch.randn(2, 5, 8), torch.arange(5) < torch.tensor([[5], [3]])
    tokens = torch.randn(3, 6, 8)
    steps = DecodingSteps(decoder, states, mask)
    # Rows 0 and 1 are of source 1, row 2 of source 0; from the fourth token on they have changed places.
    order = torch.tensor([2, 0, 1])
    found = [steps(tokens[:, 0], torch.tensor([1, 1, 0]))]
    found += [steps(tokens[:, place], torch.arange(3)) for place in (1, 2)]
    found += [steps(tokens[order, 3], order)]
    found += [steps(tokens[order, place], torch.arange(3)) for place in (4, 5)]
    whole = decoder(tokens, states[[1, 1, 0]], mask[[1, 1, 0]])
    for place, each in enumerate(found):
        expected = whole[:, place] if place < 3 else whole[order, place]
        torch.testing.assert_close(each, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_sequences(power: float) -> None:
    tables = markov(0, 3)
    options = BeamOptions(START, END, beam=100, longest=3, length_power=power)
    found = beam_search(Markov(tables), 3, options)
    every = [ids for length in range(4) for ids in product((2, 3, 4), repeat=length)]
    for table, hypotheses in zip(tables, found, strict=True):
        best = max(every, key=lambda ids: score(table, ids) / (len(ids) + 1) ** power)
        assert hypotheses[0].ids == best
        assert hypotheses[0].score == pytest.approx(score(table, best) / (len(best) + 1) ** power, abs=1e-5)
        assert [each.score for each in hypotheses] == sorted((each.score for each in hypotheses), reverse=True)


def test_a_beam_of_one_is_greedy() -> None:
    tables = markov(1, 4)
    found = beam_search(Markov(tables), 4, BeamOptions(START, END, longest=8))
    for table, [hypothesis] in zip(tables, found, strict=True):
        ids: list[int] = []
        while len(ids) < 8 and (token := int(table[([START, *ids])[-1]].argmax())) != END:
            ids.append(token)
        assert hypothesis.ids == tuple(ids)


def test_sources_of_one_batch_are_searched_as_if_alone() -> None:
    tables = markov(2, 5)
    options = BeamOptions(START, END, beam=3, longest=6)
    together = beam_search(Markov(tables), 5, options)
    for number in range(5):
        [alone] = beam_search(Markov(tables[number : number + 1]), 1, options)
        assert [each.ids for each in alone] == [each.ids for each in together[number]]


def test_forbidden_tokens_are_not_said_and_no_source_gives_nothing() -> None:
    tables = markov(3, 2)
    options = BeamOptions(START, END, beam=3, longest=4, forbidden=(2, 3))
    found = beam_search(Markov(tables), 2, options)
    assert {token for hypotheses in found for each in hypotheses for token in each.ids} <= {4}
    assert beam_search(Markov(tables[:0]), 0, options) == []
    with pytest.raises(ValueError, match="take at least 1"):
        beam_search(Markov(tables[:0]), 1, BeamOptions(START, END, beam=0))


def test_best_path_merges_repeats_and_drops_blanks() -> None:
    said = torch.tensor([[4, 4, 0, 4, 5, 0], [0, 0, 6, 6, 7, 7]])
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    assert best_path(torch.nn.functional.one_hot(said, 8).float(), mask) == [[4, 4, 5], [6]]


def test_ctc_scores_rank_what_the_frames_say() -> None:
    log_p = torch.full((4, 6), -5.0)
    log_p[[0, 1, 2, 3], [4, 0, 5, 5]] = 0.0
    scores = ctc_scores(log_p.log_softmax(-1), [(4, 5), (4,), (5, 4), (4, 5, 4, 5, 4)])
    assert scores.argmax() == 0 and scores[3] == -torch.inf


@pytest.mark.parametrize(
    "options",
    [TranscribingOptions(by="ctc"), TranscribingOptions(longest=6), TranscribingOptions(beam=3, longest=6)],
    ids=["ctc", "greedy", "beam"],
)
def test_a_batch_is_written_as_its_utterances_alone(
    make: Make, training_batch: First, options: TranscribingOptions
) -> None:
    parts = make({"write": Transcription()})
    tower, texts = (parts.model.eval().tower(name) for name in ("speech", "text"))
    inputs = training_batch(parts, 5).inputs["speech"]
    together = transcribe(tower, texts, inputs, options)
    alone = [transcribe(tower, texts, inputs.take(torch.tensor([place])), options)[0] for place in range(5)]
    assert together == alone
    assert transcribe(tower, texts, inputs.take(torch.tensor([], dtype=torch.int64)), options) == []


def test_speech_ends_with_the_frame_that_stops(make: Make, training_batch: First) -> None:
    parts = make({"say": SpokenText()})
    tower, texts = (parts.model.eval().tower(name) for name in ("speech", "text"))
    batch = training_batch(parts, 3)
    states, voice = read_texts(tower, texts, batch.inputs["text"]), tower.voices(batch.inputs["speech"])
    for bias, count, stopped in ((9.0, 1, True), (-9.0, 20, False)):
        with torch.no_grad():
            tower.write_frames.stop.weight.zero_()
            tower.write_frames.stop.bias.fill_(bias)
        said = say(tower, states, voice, longest_frames=20)
        assert said.mask.sum(1).tolist() == [count] * 3 and said.stopped.tolist() == [stopped] * 3
        assert not said.frames[~said.mask].any() and torch.isfinite(said.frames).all()
    with torch.no_grad():
        tower.write_frames.stop.bias.copy_(torch.tensor([-9.0, 9.0]))
    assert say(tower, states, voice, longest_frames=20).mask.sum(1).tolist() == [2] * 3


def test_free_speech_is_told_speech_of_what_was_said(make: Make, training_batch: First) -> None:
    # Without dropout, being told one's own frames gives them again.
    parts = make({"say": SpokenText()})
    tower, texts = (parts.model.eval().tower(name) for name in ("speech", "text"))
    tower.read_frames.dropout = 0.0
    batch = training_batch(parts, 2)
    ids, mask = batch.inputs["text"].padded(PADDING)
    states = States(tower.encode(texts.read(ids), mask).values.detach(), mask)
    voice = tower.voices(batch.inputs["speech"])
    with torch.no_grad():
        tower.write_frames.stop.bias.fill_(-20.0)
        said = say(tower, states, voice, longest_frames=12)
        net = tower.write_frames
        heard = torch.zeros(2, 1, net.bins)
        before = []
        for _ in range(6):
            spoken = net(
                tower.decoder(tower.read_frames(heard, voice), states.values, states.mask),
                said.mask[:, : 2 * heard.shape[1]],
            )
            before = spoken.before
            heard = torch.cat([heard, before[:, -1:]], 1)
        again = tower.log_magnitudes(before + net.residual(before, said.mask))
    torch.testing.assert_close(said.frames, again)
