"""Recipes from files and options, refusals in one sentence, and round trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmod.cli.recipes import dump_recipe, parse_recipe, parse_settings, read_recipe, recipe_parser
from crossmod.domain import Domain
from crossmod.errors import UserError
from crossmod.recipe import RunSettings


def refusal(domain: Domain, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_recipe(domain, words)
    text = str(caught.value)
    assert "\n" not in text and "Parser key" not in text
    return text


def test_the_packaged_default_is_what_runs(beads: Domain) -> None:
    recipe = parse_recipe(beads, [])
    assert (recipe.data.path, recipe.data.max_rejected, recipe.data.workers) == ("beads.tsv", 0.2, 2)
    assert (recipe.towers.beads.depth, recipe.towers.text.depth) == (2, 4)
    assert recipe.optimiser.rate == 0.01
    assert recipe.run == RunSettings()


def test_options_override_the_file(beads: Domain) -> None:
    recipe = parse_recipe(
        beads,
        ["--towers.text.depth", "7", "--objectives.contrast.weight", "0.5", "--optimiser.rate=1e-5", "--seed", "-3"],
    )
    assert recipe.towers.text.depth == 7 and recipe.towers.beads.depth == 2
    assert recipe.objectives["contrast"].weight == 0.5 and recipe.objectives["contrast"].a == "beads"
    assert recipe.optimiser.rate == 1e-5 and recipe.seed == -3


def test_choosing_another_class_keeps_the_options_that_both_have(beads: Domain) -> None:
    recipe = parse_recipe(beads, ["--data", "BeadGenerator", "--data.rows", "9"])
    assert type(recipe.data).__name__ == "BeadGenerator"
    assert (recipe.data.rows, recipe.data.max_rejected) == (9, 0.2)


def test_the_command_line_adds_objectives_and_a_file_replaces_them(beads: Domain, tmp_path: Path) -> None:
    extra = ["--objectives.more", "BeadContrast", "--objectives.more.a", "x", "--objectives.more.b", "y"]
    assert list(parse_recipe(beads, extra).objectives) == ["contrast", "more"]
    inline = "--objectives={only: {class_path: BeadContrast, init_args: {a: x, b: y}}}"
    assert set(parse_recipe(beads, [inline]).objectives) == {"contrast", "only"}
    (tmp_path / "o.yaml").write_text("objectives: {only: {class_path: BeadContrast, init_args: {a: x, b: y}}}")
    assert list(parse_recipe(beads, ["--config", "default", "--config", "o.yaml"]).objectives) == ["only"]


def test_several_files_lie_over_each_other_before_options(beads: Domain, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("run: {steps: 5, batch_size: 8}\nseed: 4\n")
    recipe = parse_recipe(beads, ["--run.steps", "6", "--config", "small", "--config=mine.yaml"])
    assert type(recipe.data).__name__ == "BeadGenerator"
    assert (recipe.run.steps, recipe.run.batch_size, recipe.seed) == (6, 8, 4)
    assert recipe.objectives == {}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--data", "BeadGenerator"],
        ["--data.columns", "[c, d]", "--data.limit", "3", "--data.prices.red", "1.5", "--data.cache", "x/y"],
        ["--data.limit", "null", "--run.compile", "yes", "--run.precision", "32", "--towers.text.pooling", "first"],
        ["--data.path", "null", "--run.folder", "1e-3", "--run.initialise", "a: [b"],
        ["--config", "small"],
    ],
)
def test_a_dumped_recipe_reads_back_equal(beads: Domain, words: list[str]) -> None:
    recipe = parse_recipe(beads, words)
    text = dump_recipe(recipe)
    assert read_recipe(beads, text) == recipe
    assert dump_recipe(read_recipe(beads, text)) == text


@pytest.mark.parametrize("text", ["null", "1e-3", "off", "a: b", "[x", "{x}", "# no", "'", " x ", "Größe", "a\nb", ""])
def test_text_options_keep_their_text(beads: Domain, text: str) -> None:
    recipe = parse_recipe(beads, [f"--data.path={text}", f"--run.folder={text}"])
    assert (recipe.data.path, recipe.run.folder) == (text, text)
    assert read_recipe(beads, dump_recipe(recipe)) == recipe


def test_classes_are_written_where_there_is_a_choice(beads: Domain) -> None:
    text = dump_recipe(parse_recipe(beads, []))
    assert "class_path: crossmod_beads.domain.BeadTable" in text
    assert "optimiser:\n  rate: 0.01" in text


def test_a_resumed_run_starts_from_its_own_recipe(beads: Domain) -> None:
    from crossmod.cli.layers import Layer

    base = Layer("kept", {"data": {"class_path": "BeadGenerator"}, "towers": {}, "seed": 5})
    with pytest.raises(UserError, match=r"kept: towers\.beads is not set|--towers\.beads is not set"):
        parse_recipe(beads, [], base=base)


def test_refusals_name_the_option_and_what_it_takes(beads: Domain) -> None:
    assert refusal(beads, "--optimiser.rat", "1") == (
        "there is no option --optimiser.rat of OptimiserSettings; did you mean --optimiser.rate?"
    )
    assert refusal(beads, "--sede", "1") == "there is no option --sede; did you mean --seed?"
    assert refusal(beads, "--run.steps", "ten") == "--run.steps takes a whole number, not 'ten'."
    assert refusal(beads, "--run.steps", "1.5") == "--run.steps takes a whole number, not 1.5."
    assert refusal(beads, "--optimiser.rate=") == "--optimiser.rate takes a number, not null."
    assert refusal(beads, "--data.limit", "x") == "--data.limit takes a whole number or null, not 'x'."
    assert refusal(beads, "--data.prices.red", "no") == "--data.prices.red takes a number, not 'no'."
    assert refusal(beads, "--data.columns", "3") == "--data.columns takes a list of text, such as [x, y], not 3."
    assert refusal(beads, "--run.compile", "maybe") == "--run.compile takes true or false, not 'maybe'."
    assert refusal(beads, "--run.compile") == "--run.compile needs a value: write --run.compile VALUE."
    assert (
        refusal(beads, "--towers.text.pooling", "z") == "--towers.text.pooling takes one of 'mean', 'first', not 'z'."
    )
    assert "did you mean --towers.text?" in refusal(beads, "--towers.txt.depth", "3")
    assert "did you mean --objectives.contrast?" in refusal(beads, "--objectives.contrst.weight", "3")
    assert refusal(beads, "stray") == "'stray' is not expected here; options are written --name value."


def test_refusals_of_classes(beads: Domain) -> None:
    assert "did you mean BeadTable?" in refusal(beads, "--data", "BeadTabel")
    assert "it takes BeadGenerator, BeadTable" in refusal(beads, "--data", "os.path")
    assert refusal(beads, "--data.rows", "3").startswith("there is no option --data.rows of BeadTable")
    missing = refusal(beads, "--objectives.more", "BeadContrast", "--objectives.more.a", "x")
    assert missing == "--objectives.more.b is not set, and BeadContrast needs it: give text."


def test_a_settings_class_may_refuse_its_values(beads: Domain) -> None:
    assert refusal(beads, "--data.limit", "0") == "data.limit is 0; a corpus has at least one line."
    assert "run.steps is 0" in refusal(beads, "--run.steps", "0")


def test_refusals_of_files_name_the_file(beads: Domain, tmp_path: Path) -> None:
    def in_file(text: str) -> str:
        (tmp_path / "f.yaml").write_text(text)
        return refusal(beads, "--config", "default", "--config", "f.yaml")

    assert in_file("run: {stps: 4}") == "f.yaml: there is no option run.stps of RunSettings; did you mean run.steps?"
    assert in_file("run: {precision: 32}") == (
        "f.yaml: run.precision takes one of '32', 'bf16', not 32 (a number: write it in quotes, '32')."
    )
    assert in_file("optimiser: {rate: null}") == "f.yaml: optimiser.rate takes a number, not null."
    assert in_file("optimiser: null").startswith("f.yaml: optimiser takes OptimiserSettings, not null")
    assert in_file("objectives: [a]").startswith("f.yaml: objectives takes a mapping")
    assert "did you mean default?" in refusal(beads, "--config", "defualt")
    assert refusal(beads, "--config", "none.yaml") == "There is no recipe file none.yaml."


def test_abbreviations_are_off_in_the_parser_too(beads: Domain) -> None:
    from argparse import ArgumentError

    with pytest.raises(ArgumentError):
        recipe_parser(beads).parse_args(["--see", "3"])


def test_settings_of_an_evaluation(beads: Domain) -> None:
    kind = beads.evaluations["colours"].settings
    assert parse_settings(kind, ["--colours", "5"]) == kind(colours=5)
    with pytest.raises(UserError, match="did you mean --colours"):
        parse_settings(kind, ["--colors", "5"])
