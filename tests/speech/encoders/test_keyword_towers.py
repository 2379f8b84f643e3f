"""SpeechCLIP's branches over a small encoder, with a small text tower, and with a Hugging Face one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from crossmod.contracts.tower import Tower
from crossmod.errors import UserError
from crossmod.model import CrossModal
from crossmod.recipe import EmbeddingSettings, TowerSettings
from crossmod.text.settings import HuggingFaceText, NgramBag, TextTransformer
from crossmod_speech.encoders.keyword_reading import ReadableText
from crossmod_speech.encoders.keyword_settings import CascadedSpeech, ParallelSpeech, read_keywords
from crossmod_speech.encoders.keyword_towers import CascadedSpeechTower
from crossmod_speech.encoders.settings import SpeechTransformer
from crossmod_speech.frontends.contract import FrontEnd
from crossmod_speech.waveforms import WaveformInputs

TEXTS = ["a low tone", "a high tone", "switch the light on", "what is the time"]
TEXT = TextTransformer(vocabulary=280, width=16, heads=2, depth=1, length=16, dropout=0.0)


def encoder(front_end: FrontEnd) -> SpeechTransformer:
    return SpeechTransformer(front_end=front_end, width=32, heads=2, depth=1, dropout=0.0)


def text_tower(settings: TowerSettings = TEXT) -> Tower:
    tower: Tower = settings.build(settings.fit_processor(TEXTS))
    return tower


def cascaded(front_end: FrontEnd, text: Tower, **options: Any) -> CascadedSpeechTower:
    settings = CascadedSpeech(tower=encoder(front_end), **{"keywords": 3, **options})
    towers = read_keywords({"speech": settings.build(settings.fit_processor(())), "text": text})
    tower = towers["speech"]
    assert isinstance(tower, CascadedSpeechTower)
    return tower


def parallel(front_end: FrontEnd) -> Tower:
    settings = ParallelSpeech(tower=encoder(front_end), heads=4)
    tower: Tower = settings.build(settings.fit_processor(()))
    return tower


@pytest.mark.parametrize("branch", ["parallel", "cascaded"])
def test_padding_has_no_part(branch: str, front_end: FrontEnd, utterances: WaveformInputs) -> None:
    # Acceptance check 3 of SpeechCLIP, of the parallel branch, and the same of the cascaded one.
    tower = (parallel(front_end) if branch == "parallel" else cascaded(front_end, text_tower())).eval()
    together = tower(utterances).pooled
    assert together.shape == (5, tower.width)
    for row in range(len(utterances)):
        alone = tower(utterances.take(torch.tensor([row]))).pooled[0]
        assert_close(alone, together[row], atol=1e-5, rtol=1e-4)
    for mode in (True, False):
        assert tower.train(mode)(utterances.take(torch.empty(0, dtype=torch.int64))).pooled.shape == (0, tower.width)


def test_every_parameter_of_the_branches_learns(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    for tower in (parallel(front_end), cascaded(front_end, text_tower().requires_grad_(False))):
        pooled = tower.train()(utterances).pooled
        (pooled * torch.randn_like(pooled)).sum().backward()
        idle = [name for name, parameter in tower.named_parameters() if parameter.grad is None]
        # A key's bias changes no softmax, and here it shares a parameter with the value's.
        assert idle == []


def test_a_frozen_encoder_and_a_frozen_text_tower_receive_no_gradient(
    front_end: FrontEnd, utterances: WaveformInputs
) -> None:
    # Acceptance check 3 of SpeechCLIP; the gradient passes through the text tower to the queries all the same.
    text = text_tower().requires_grad_(False)
    tower = cascaded(front_end, text)
    tower.tower.requires_grad_(False)
    pooled = tower(utterances).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    assert all(parameter.grad is None for parameter in [*text.parameters(), *tower.tower.parameters()])
    assert bool(tower.queries.grad.any()) and bool(tower.to_embedding.weight.grad.any())


def test_the_keywords_are_read_as_the_text_that_they_spell(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    text = text_tower().eval()
    tower = cascaded(front_end, text).eval()
    tokens = tower.keywords(utterances)
    assert tokens.shape == (5, 3) and int(tokens.min()) >= 4, "special tokens are never chosen"
    from crossmod.text.byte_pair import SPECIALS
    from crossmod.text.inputs import TextInputs

    first, last = SPECIALS.index("[CLS]"), SPECIALS.index("[SEP]")
    spelled = torch.cat([torch.tensor([first, *row, last]) for row in tokens.tolist()]).to(torch.int32)
    expected = text(TextInputs(spelled, torch.arange(6) * 5)).pooled
    assert_close(tower(utterances).pooled, expected, atol=1e-6, rtol=1e-5)


def test_the_text_tower_stands_in_the_model_once(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    text = text_tower()
    model = CrossModal({"speech": cascaded(front_end, text), "text": text}, EmbeddingSettings(width=8)).eval()
    assert not [name for name in model.state_dict() if name.startswith("towers.speech") and "embedding.weight" in name
                and "to_embedding" not in name]  # fmt: skip
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.towers["text"].embedding.weight.mul_(-1.0)
    before = model.towers["speech"](utterances).pooled
    assert not torch.allclose(other.towers["speech"](utterances).pooled, before), "the copy reads by its own text tower"


def test_candidates_bound_the_vocabulary(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    assert int(cascaded(front_end, text_tower(), candidates=10).keywords(utterances).max()) < 10
    with pytest.raises(UserError, match="candidates is 4"):
        cascaded(front_end, text_tower(), candidates=4)


def test_texts_that_cannot_be_read_by_are_refused(front_end: FrontEnd, utterances: WaveformInputs) -> None:
    with pytest.raises(UserError, match="NgramBagTower has none"):
        cascaded(front_end, text_tower(NgramBag(width=16, buckets=64)))
    settings = CascadedSpeech(tower=encoder(front_end))
    with pytest.raises(UserError, match="needs the model's text tower"):
        settings.build(settings.fit_processor(()))(utterances)
    with pytest.raises(ValueError, match="more than the 16 positions"):
        cascaded(front_end, text_tower(), keywords=15)(utterances)
    with pytest.raises(UserError, match="take 1 or more, above 0"):
        CascadedSpeech(keywords=0)
    with pytest.raises(UserError, match="do not divide the encoder's width 32"):
        uneven = ParallelSpeech(tower=encoder(front_end), heads=5)
        uneven.build(uneven.fit_processor(()))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT with a word vocabulary and two rows of embeddings that no token has."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "low", "high", "tone"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words) + 2, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=20,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_hugging_face_text_encoder_reads_keywords_too(
    pooling: str, bert: Path, front_end: FrontEnd, utterances: WaveformInputs
) -> None:
    text = text_tower(HuggingFaceText(folder=str(bert), length=12, pooling=pooling, frozen=True)).eval()
    readable = ReadableText.of(text)
    assert (readable.before, readable.after) == ((2,), (3,))
    assert readable.specials.nonzero().squeeze(1).tolist() == [0, 1, 2, 3, 4, 9, 10]
    tower = cascaded(front_end, text).eval()
    words = ["a", "low", "high", "tone"]
    spelled = [" ".join(words[token - 5] for token in row) for row in tower.keywords(utterances).tolist()]
    expected = text(text.processor(spelled)).pooled
    assert_close(tower(utterances).pooled, expected, atol=1e-6, rtol=1e-5)
    with pytest.raises(UserError, match="pooled by mean or cls"):
        ReadableText.of(text_tower(HuggingFaceText(folder=str(bert), length=12, pooling="pooler")))


@pytest.mark.parametrize("branch", ["parallel", "cascaded"])
def test_a_branch_finds_the_text_of_a_tone(
    branch: str, front_end: FrontEnd, make_tones: Callable[..., WaveformInputs]
) -> None:
    text = text_tower().requires_grad_(False).eval()
    tower = parallel(front_end) if branch == "parallel" else cascaded(front_end, text)
    wanted_texts = text(text.processor(TEXTS[:2])).pooled
    wanted_texts = functional.normalize(wanted_texts - wanted_texts.mean(0), dim=-1)
    head = torch.nn.Linear(tower.width, 16)
    optimiser = torch.optim.AdamW([*tower.parameters(), *head.parameters()], 3e-3)

    def drawn(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pitch = torch.randint(2, (count,))
        inputs = make_tones(
            [(300.0, 3000.0)[kind] for kind in pitch.tolist()], (0.1 + 0.2 * torch.rand(count)).tolist()
        )
        return functional.normalize(head(tower(inputs).pooled), dim=-1) @ wanted_texts.t() / 0.07, pitch

    for _ in range(40):
        logits, pitch = drawn(16)
        optimiser.zero_grad()
        functional.cross_entropy(logits, pitch).backward()
        optimiser.step()
    tower.eval()
    with torch.no_grad():
        logits, pitch = drawn(60)
    assert float((logits.argmax(1) == pitch).float().mean()) > 0.95
