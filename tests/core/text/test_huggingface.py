import importlib
import json
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn import functional

from crossmod.errors import UserError
from crossmod.text.huggingface import HuggingFaceProcessor
from crossmod.text.huggingface_tower import HuggingFaceTower, pretrained_encoder, untrained_encoder
from crossmod.text.settings import HuggingFaceText

transformers = pytest.importorskip("transformers")

WORDS = ["a", "cloud", "graph", "scan", "of", "small", "large", "things", "very"]
TEXTS = ["a small cloud", "a very very large graph of things", "scan"]


def save_bert(folder, *, kind="Bert", head="Model", **changes):
    """Write a small encoder of two layers with random weights, and a word-level tokenizer beside it."""
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        pad_token_id=0,
        **changes,
    )
    getattr(transformers, f"{kind}{head}")(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def processor(folder):
    return HuggingFaceProcessor.from_folder(folder, length=8)


def built(folder, **changes):
    settings = HuggingFaceText(folder=str(folder), length=8, **changes)
    return settings.build(settings.fit_processor(TEXTS)).eval()


def test_texts_are_tokenised_as_transformers_does(folder, processor):
    original = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = processor(TEXTS[::2])
    ids, mask = inputs.padded(processor.padding)
    expected = original(TEXTS[::2], padding=True, return_tensors="pt")
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(mask, expected["attention_mask"].bool())


def test_a_vocabulary_without_a_tokenizer_file_is_read(tmp_path):
    save_bert(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "scan", "##ner", "a"]))
    processor = HuggingFaceProcessor.from_folder(tmp_path, length=8)
    assert processor(["A scanner"]).ids.tolist() == [2, 7, 5, 6, 3]


def test_processing_imports_neither_torch_nor_transformers(processor):
    script = (
        "import pickle, sys; processor = pickle.loads(sys.stdin.buffer.read()); "
        "assert len(processor.process(['a cloud']).accepted) == 1; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], input=pickle.dumps(processor), check=True)


def test_long_texts_keep_their_specials_and_are_counted(processor):
    processed = processor.process(["a " * 6, "a " * 7, "a cloud", "very " * 100])
    assert processed.arrays["lengths"].tolist() == [8, 8, 4, 8]
    assert processed.arrays["ids"][-1] == processed.arrays["ids"][7] == 3
    assert processed.counts == {
        "texts longer than 8 tokens": 2,
        "tokens dropped from texts longer than 8 tokens": 1 + 94,
    }


def test_unusable_and_hostile_items(processor):
    items = ["a", "", None, "\x00\x01", "[MASK] [PAD]", "😀", "\u202eשלום", "a" * 1_000_000, "half \ud800"]
    processed = processor.process(items)
    assert [position for position, _ in processed.rejected] == [1, 2, 3, 8]
    assert dict(processed.rejected)[3] == "the tokenizer finds no token in it"
    spelled = processor(["[MASK] [PAD]"]).ids.tolist()[1:-1]
    assert not {0, 2, 3, 4} & set(spelled), "special tokens that a text spells are not special"
    assert len(processor.process([]).accepted) == 0


@pytest.mark.parametrize("hidden_layers", [1, 2])
@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_features_are_those_of_the_encoder(folder, processor, pooling, hidden_layers):
    tower = built(folder, pooling=pooling, hidden_layers=hidden_layers)
    features = tower(processor(TEXTS))
    encoder = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for row, text in enumerate(TEXTS):
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=8)
        output = encoder(**given, output_hidden_states=True)
        tokens = torch.stack(output.hidden_states[-hidden_layers:]).mean(0)[0]
        pooled = {"mean": tokens.mean(0), "cls": tokens[0], "pooler": output.pooler_output[0]}[pooling]
        torch.testing.assert_close(features.pooled[row], pooled, atol=1e-5, rtol=0)
        torch.testing.assert_close(features.tokens[row][features.mask[row]], tokens, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_gradients_reach_every_trained_parameter(folder, processor, pooling):
    tower = built(folder, pooling=pooling).train()
    pooled = tower(processor(TEXTS)).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    trained = {name: p for name, p in tower.named_parameters() if p.requires_grad}
    assert all(p.grad is not None for p in trained.values())
    assert ("encoder.pooler.dense.weight" in trained) == (pooling == "pooler")


def test_a_frozen_encoder_stays_as_it_is(folder, processor):
    tower = built(folder, frozen=True).train()
    assert not any(p.requires_grad for p in tower.parameters())
    first, second = (tower(processor(TEXTS)).pooled for _ in range(2))
    assert torch.equal(first, second), "its dropout is off in training too"
    assert not first.requires_grad


def test_no_texts_give_no_features(folder, processor):
    none = processor(TEXTS).take(torch.zeros(0, dtype=torch.int64))
    assert built(folder)(none).pooled.shape == (0, 16)


def test_a_model_folder_needs_the_original_no_more(tmp_path):
    original = save_bert(tmp_path / "bert")
    settings = HuggingFaceText(folder=str(original), length=8)
    trained = settings.build(settings.fit_processor(TEXTS)).eval()
    spec, files = json.loads(json.dumps(trained.processor.spec)), trained.processor.files()
    assert not any(str(tmp_path).encode() in content for content in files.values())
    weights = trained.state_dict()
    shutil.rmtree(original)
    processor = settings.load_processor(spec, files)
    tower = settings.build(processor).eval()
    tower.load_state_dict(weights)
    assert processor.spec == spec
    torch.testing.assert_close(tower(processor(TEXTS)).pooled, trained(trained.processor(TEXTS)).pooled)


def test_another_model_at_the_old_place_is_not_taken_for_it(tmp_path):
    settings = HuggingFaceText(folder=str(save_bert(tmp_path / "bert")), length=8)
    processor = settings.fit_processor(TEXTS)
    restored = settings.load_processor(processor.spec, processor.files())
    shutil.rmtree(tmp_path / "bert")
    save_bert(tmp_path / "bert", hidden_act="relu")
    assert settings.build(restored).encoder.config.hidden_act == "gelu"


def test_a_changed_tokenizer_is_refused(processor):
    changed = {**processor.files(), "tokenizer.json": processor.files()["tokenizer.json"].replace(b"cloud", b"shape")}
    with pytest.raises(UserError, match=r"tokenizer.json of the model folder is not the file"):
        HuggingFaceProcessor.load(processor.spec, changed)
    with pytest.raises(UserError, match="set length of the text tower to 8"):
        HuggingFaceText(folder="gone", length=9).load_processor(processor.spec, processor.files())


def test_folders_that_are_no_encoder_are_refused(tmp_path, folder):
    with pytest.raises(UserError, match="does not exist"):
        HuggingFaceProcessor.from_folder(tmp_path / "gone", 8)
    with pytest.raises(UserError, match=r"holds no config.json"):
        HuggingFaceProcessor.from_folder(tmp_path, 8)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"holds no tokenizer; it takes one of .*vocab\.txt"):
        HuggingFaceProcessor.from_folder(tmp_path, 8)
    with pytest.raises(UserError, match="takes 3 to 32 tokens"):
        HuggingFaceProcessor.from_folder(folder, 33)


def test_positions_that_start_after_the_padding_id_are_not_counted(tmp_path):
    save_bert(tmp_path, kind="Roberta")
    with pytest.raises(UserError, match="takes 3 to 31 tokens"):
        HuggingFaceProcessor.from_folder(tmp_path, 32)
    processor = HuggingFaceProcessor.from_folder(tmp_path, 31)
    tower = HuggingFaceTower(processor, pretrained_encoder(tmp_path, "mean"))
    assert tower(processor(["very " * 40, "a"])).mask.sum(1).tolist() == [31, 3]


def test_an_encoder_decoder_is_refused(tmp_path):
    save_bert(tmp_path)
    transformers.T5Config(vocab_size=14).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no plain text encoder"):
        HuggingFaceProcessor.from_folder(tmp_path, 8)


def test_a_tokenizer_that_outgrows_the_encoder_is_refused(tmp_path):
    save_bert(tmp_path)
    transformers.BertConfig(vocab_size=5).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="do not belong together"):
        HuggingFaceProcessor.from_folder(tmp_path, 8)


def test_code_beside_a_model_is_not_run(tmp_path):
    save_bert(tmp_path)
    witness = tmp_path / "ran"
    (tmp_path / "modelling.py").write_text(f"open({str(witness)!r}, 'w')\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "novel", "auto_map": {"AutoConfig": "modelling.C", "AutoModel": "modelling.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cannot be read"):
        HuggingFaceProcessor.from_folder(tmp_path, 8)
    assert not witness.exists()


def test_pickled_weights_are_refused(tmp_path):
    save_bert(tmp_path)
    encoder = transformers.AutoModel.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(encoder.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"reads model.safetensors only"):
        pretrained_encoder(tmp_path, "mean")


def test_weights_that_would_start_untrained_are_refused(tmp_path):
    save_bert(tmp_path, head="ForMaskedLM")
    assert pretrained_encoder(tmp_path, "mean") is not None
    with pytest.raises(UserError, match="would start untrained"):
        pretrained_encoder(tmp_path, "pooler")


def test_pooling_and_layers_must_exist(folder, processor):
    with pytest.raises(UserError, match="has 1 to 2 layers"):
        built(folder, hidden_layers=3)
    encoder = untrained_encoder(processor)
    with pytest.raises(UserError, match="pooling is 'max'"):
        HuggingFaceTower(processor, encoder, pooling="max")
    encoder.pooler = None
    with pytest.raises(UserError, match="no pooling layer of its own"):
        HuggingFaceTower(processor, encoder, pooling="pooler")


def test_half_precision_folders_train_in_float32(tmp_path):
    save_bert(tmp_path)
    transformers.AutoModel.from_pretrained(tmp_path).half().save_pretrained(tmp_path)
    assert {p.dtype for p in pretrained_encoder(tmp_path, "mean").parameters()} == {torch.float32}
    processor = HuggingFaceProcessor.from_folder(tmp_path, 8)
    assert {p.dtype for p in untrained_encoder(processor).parameters()} == {torch.float32}


def test_a_missing_library_is_named_with_its_command(monkeypatch, folder):
    def absent(name, *args, **kwargs):
        if name == "transformers":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    original = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UserError, match=r'pip install "crossmod\[huggingface\]"'):
        HuggingFaceProcessor.from_folder(folder, 8)


def test_a_spawned_worker_reads_the_same(processor):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(processor.process, TEXTS).result()
    assert np.array_equal(there.arrays["ids"], processor.process(TEXTS).arrays["ids"])


def test_it_learns_to_tell_texts_apart(folder, processor):
    torch.manual_seed(0)
    tower, head = built(folder), torch.nn.Linear(16, 3)
    optimiser = torch.optim.AdamW([*tower.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(40):
        loss = functional.cross_entropy(head(tower(processor(TEXTS)).pooled), torch.arange(3))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1
