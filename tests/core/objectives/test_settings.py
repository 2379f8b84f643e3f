"""Every objective that a recipe may name: found, read back from its own text, and run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest
import torch

import crossmod
from crossmod.cli.main import main
from crossmod.cli.options import concrete_classes
from crossmod.cli.recipes import CORE_SETTINGS, dump_recipe, parse_recipe, read_recipe
from crossmod.errors import UserError
from crossmod.objectives.settings import FAMILY_SETTINGS
from crossmod.recipe import ObjectiveSettings
from crossmod.runs.model_folder import save_model
from crossmod.testing.tiny import domain
from crossmod.training.assemble import assemble
from crossmod.training.backward import backward
from crossmod.training.optimiser import build_optimiser

pytestmark = pytest.mark.usefixtures("tiny_installed")

for _module in CORE_SETTINGS:
    importlib.import_module(_module)

# The tiny domain's towers give tokens of texts alone, so that objectives on two sides' tokens meet texts twice.
PAIR = "a: text, b: point"
TEXTS = "a: text, b: text"
RECIPES = {
    "Alternating": "objectives: {one: {class_path: InfoNCE, init_args: {a: text, b: point}}, two: {class_path: SigLIP, "
    "init_args: {a: text, b: point}}}, cycle: [[one], [one, two]]",
    "AttributePrediction": "modality: text, condition: point, heads: 2",
    "AttendedLocalAlign": "a: point, b: text, width: 8",
    "CWCL": PAIR,
    "CaptionedMoments": "a: point",
    "CrossResolution": "short: point, long: point, text: text, projected: 8, fusion: {class_path: TokenConcatenation, "
    "init_args: {width: 8, depth: 1, heads: 2}}",
    "EventOrder": "a: point, b: text",
    "FDT": f"{TEXTS}, codes: 32, width: 8, temperature: 1.0",
    "FILIP": f"{TEXTS}, width: 8, kept_share: 0.5",
    "GroundedLanguage": "modality: text, condition: point, hidden_share: 0.5, width: 8, depth: 1, heads: 2",
    "HardestNegative": PAIR,
    "IdentityContrast": PAIR,
    "InfoNCE": PAIR,
    "MaskedLanguage": "modality: text",
    "MaskedModalities": "modalities: [point], visible: 1, joint_width: 8, joint_depth: 1, width: 8, depth: 1, heads: 2",
    "MaskedPatches": "modality: point, share: 0.5, width: 8, depth: 1, heads: 2, standardised: false",
    "MaskedTokens": "modality: text",
    "MixedPatches": "modality: point, text: text, width: 8, restored_weight: 0.5",
    "ModalityGap": PAIR,
    "MomentWords": "moment: point, text: text, width: 8",
    "MomentumContrast": f"{PAIR}, width: 8, queue: 64, intra_weight: 1.0, momentum: 0.9",
    "MultiView": "pairs: [[text, point]]",
    "NoiseAdaptive": f"{PAIR}, samples: 480, warmup_steps: 4, refit_steps: 2",
    "PairMatching": f"{PAIR}, fusion: {{class_path: QueriedTokens, init_args: {{width: 8, depth: 1, heads: 2}}}}",
    "PrefixLanguage": "modality: text, width: 8, depth: 1, heads: 2",
    "PromptedRegions": "prompter: PROMPTER, whole: point, text: text, names: [left, right], smallest: 0.5, "
    "threshold: 0.0, fusion: {class_path: TokenConcatenation, init_args: {width: 8, depth: 1, heads: 2}}",
    "SelfDistillation": "modality: text, outputs: 16, hidden: 16, bottleneck: 8, local_views: 1",
    "SigLIP": PAIR,
    "SmoothedInfoNCE": PAIR,
    "SpanDenoising": "modality: text, width: 8, depth: 1, heads: 2",
    "TextGuidedColourisation": "modality: point, text: text, width: 8",
    "TopKLocalAlign": "a: point, b: text, hidden_share: 0.5, least: 1",
    "VectorQuantisation": "modalities: [text], width: 8, codes: 8",
}
OF_PHRASES = ("AttendedLocalAlign", "TopKLocalAlign")
OF_EVENTS = ("CaptionedMoments", "EventOrder")
OF_PATCHES = (
    *(
        "CaptionedMoments",
        "PromptedRegions",
        "GroundedLanguage",
        "MaskedModalities",
        "MaskedPatches",
        "MixedPatches",
        "TextGuidedColourisation",
    ),
    *OF_PHRASES,
)
KINDS = {n: k for n, k in concrete_classes(ObjectiveSettings).items() if k.__module__.startswith("crossmod.")}


def test_every_settings_module_of_objectives_and_fusions_is_read() -> None:
    root = Path(crossmod.__file__).parent
    files = [*root.glob("objectives/**/*settings.py"), *root.glob("fusion/**/*settings.py")]
    modules = {".".join(("crossmod", *path.relative_to(root).with_suffix("").parts)) for path in files}
    assert modules == {"crossmod.objectives.settings", *FAMILY_SETTINGS}
    assert modules <= set(CORE_SETTINGS)


def test_every_objective_has_a_recipe_here() -> None:
    assert set(KINDS) == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_an_objective_and_reads_back_equal(tmp_path: Path, name: str) -> None:
    recipe = parse_recipe(domain, _words(tmp_path, name, name))
    assert type(recipe.objectives["term"]) is KINDS[name]
    assert read_recipe(domain, dump_recipe(recipe)) == recipe


@pytest.mark.parametrize("path", ["crossmod.objectives.settings.CWCL", "crossmod.objectives.pairs.settings.CWCL"])
def test_a_recipe_may_give_the_path_of_the_family_or_of_all(tmp_path: Path, path: str) -> None:
    assert type(parse_recipe(domain, _words(tmp_path, "CWCL", path)).objectives["term"]) is KINDS["CWCL"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_with_the_objective_takes_steps_and_moves_every_tower_it_names(tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    if name == "PromptedRegions":
        _write_prompter(tmp_path)
    recipe = parse_recipe(domain, _words(tmp_path, name, name))
    parts = assemble(recipe)
    before = {key: value.clone() for key, value in parts.model.state_dict().items()}
    optimiser, _ = build_optimiser(recipe.optimiser, (parts.model, parts.mixture), recipe.run.steps)
    losses = []
    for step in range(12):
        torch.manual_seed(0)
        optimiser.zero_grad()
        batch = parts.prepared.batch(torch.arange(24))
        losses.append(float(backward(parts.model, parts.mixture, batch, step)["loss"]))
        optimiser.step()
        parts.mixture.after_step()
    # The first two fill a queue of negatives, where there is one.
    assert all(torch.isfinite(torch.tensor(losses))) and min(losses[2:]) < losses[1]
    moved = {
        key.split(".")[1] for key, value in parts.model.state_dict().items() if not torch.equal(value, before[key])
    }
    # Captions are texts, which the corpus says and not the recipe.
    named = RECIPES[name] + (" text" if name == "CaptionedMoments" else "")
    assert moved == {modality for modality in ("text", "point") if modality in named}


def _words(folder: Path, name: str, class_path: str) -> list[str]:
    point = "{class_path: tower_of_patches.CoordinateEncoder}" if name in OF_PATCHES else "{class_path: VectorEncoder}"
    text = ", text: {class_path: tower_of_phrases.PhraseEncoder}" if name in OF_PHRASES else ""
    entry = RECIPES[name].replace("PROMPTER", str(folder / "prompter"))
    file = folder / "recipe.yaml"
    file.write_text(
        f"data: {{class_path: TinyData, init_args: {{points: 40, events: {str(name in OF_EVENTS).lower()}}}}}\n"
        f"towers: {{point: {point}{text}}}\n"
        f"optimiser: {{rate: 0.01, warmup: 0.0}}\n"
        f"objectives:\n  term: {{class_path: {class_path}, init_args: {{{entry}}}}}\n"
    )
    return ["--config", "default", "--config", str(file)]


def _write_prompter(folder: Path) -> None:
    """A model on the same inputs, as it starts."""
    words = [*_words(folder, "InfoNCE", "InfoNCE"), "--towers.point=tower_of_patches.CoordinateEncoder"]
    recipe = parse_recipe(domain, words)
    save_model(folder / "prompter", assemble(recipe).model, domain, recipe, "a prompter", {})


@pytest.fixture(autouse=True)
def _towers_of_patches_and_of_phrases_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    importlib.import_module("tower_of_patches")
    importlib.import_module("tower_of_phrases")


def test_help_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "molecule", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in RECIPES)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("CWLC", "CWCL"), ("filip", "FILIP"), ("PairMaching", "PairMatching"), ("NoiseAdaptve", "NoiseAdaptive")],
)
def test_a_mistyped_objective_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"did you mean {meant}"):
        parse_recipe(domain, ["--objectives.term", typed])


def test_an_unknown_objective_is_answered_with_all_of_them() -> None:
    with pytest.raises(UserError) as refused:
        parse_recipe(domain, ["--objectives.term", "Perplexity"])
    assert all(name in str(refused.value) for name in RECIPES)


def test_all_settings_are_to_be_had_from_one_module_without_torch() -> None:
    code = (
        f"import sys, crossmod.objectives, crossmod.objectives.settings as s; "
        f"[getattr(s, n) for n in {sorted(RECIPES)}]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    settings = importlib.import_module("crossmod.objectives.settings")
    assert is_dataclass(settings.PairMatching) and settings.CoAttention.__module__ == "crossmod.fusion.settings"
    with pytest.raises(AttributeError, match="Perplexity"):
        settings.Perplexity  # noqa: B018
