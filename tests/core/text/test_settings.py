import dataclasses
import subprocess
import sys

import pytest
import torch
from jsonargparse import ArgumentParser

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod.text.settings import HuggingFaceText, NgramBag, TextTransformer

TEXTS = [f"a {kind} of {n} small things" for kind in ("cloud", "graph") for n in range(6)]
SMALL = {
    TextTransformer: TextTransformer(vocabulary=300, length=12, width=16, depth=1, heads=2, pooling="attention"),
    NgramBag: NgramBag(buckets=512, width=16, depth=2, character_orders=(3,), frequency="log"),
}


@pytest.mark.parametrize("settings", SMALL.values(), ids=lambda settings: type(settings).__name__)
def test_a_tower_restores_from_spec_and_files(settings):
    tower = settings.build(settings.fit_processor(TEXTS)).eval()
    processor = settings.load_processor(tower.processor.spec, tower.processor.files())
    again = settings.build(processor).eval()
    again.load_state_dict(tower.state_dict())
    a, b = (t(t.processor(TEXTS)).pooled for t in (tower, again))
    assert torch.equal(a, b)
    assert a.shape == (len(TEXTS), settings.width)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (TextTransformer, {"length": 13}),
        (TextTransformer, {"lower_case": False}),
        (NgramBag, {"word_orders": (1,)}),
        (NgramBag, {"character_orders": (3, 4)}),
        (NgramBag, {"buckets": 513}),
        (NgramBag, {"frequency": "sqrt"}),
        (NgramBag, {"lower_case": False}),
    ],
)
def test_settings_that_contradict_the_model_are_refused(kind, changes):
    processor = SMALL[kind].fit_processor(TEXTS)
    (name,) = changes
    with pytest.raises(UserError, match=f"set {name} of the text tower"):
        dataclasses.replace(SMALL[kind], **changes).load_processor(processor.spec, processor.files())


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (TextTransformer, {"depth": 0}, "depth of TextTransformer is 0"),
        (TextTransformer, {"dropout": 1.0}, "dropout of TextTransformer is 1.0"),
        (NgramBag, {"depth": -1}, "depth of NgramBag is -1"),
        (NgramBag, {"ngram_dropout": 0.6}, "ngram_dropout of NgramBag is 0.6"),
        (HuggingFaceText, {"folder": "x", "hidden_layers": 0}, "hidden_layers of HuggingFaceText is 0"),
    ],
)
def test_values_out_of_range_are_refused(kind, changes, reason):
    with pytest.raises(UserError, match=reason):
        kind(**changes)


def parser():
    made = ArgumentParser(exit_on_error=False)
    made.add_subclass_arguments(TowerSettings, "text")
    return made


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["TextTransformer", "--text.depth", "2"], TextTransformer(depth=2)),
        (["NgramBag", "--text.word_orders", "[1]"], NgramBag(word_orders=(1,))),
        (["HuggingFaceText", "--text.folder", "x"], HuggingFaceText(folder="x")),
    ],
)
def test_class_names_are_what_a_user_types(arguments, expected):
    reader = parser()
    made = reader.instantiate(reader.parse_args(["--text", *arguments]))
    assert made.text == expected


@pytest.mark.parametrize("kind", [TextTransformer, NgramBag, HuggingFaceText])
def test_every_option_is_explained(kind):
    explained = {line.split(":")[0].strip() for line in kind.__doc__.splitlines() if line.startswith(" " * 8)}
    assert {field.name for field in dataclasses.fields(kind)} <= explained


def test_settings_are_torch_free():
    script = (
        "import sys; from crossmod.text.settings import TextTransformer; TextTransformer(); "
        "assert not {'torch', 'tokenizers', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
