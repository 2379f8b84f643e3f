"""Words after a verb are taken apart without guessing."""

from __future__ import annotations

import pytest

from crossmod.cli.arguments import Arguments, assignments
from crossmod.errors import UserError


def test_pieces_are_taken_wherever_they_stand() -> None:
    arguments = Arguments("train", ["beads", "--run.steps", "5", "--json", "--config=a", "--config", "b", "--x=--y"])
    assert arguments.leading() == "beads"
    assert arguments.flag("--json")
    assert arguments.values("--config") == ["a", "b"]
    assert arguments.value("--resume") is None
    assert assignments(arguments.rest()) == [("run.steps", "5"), ("x", "--y")]
    arguments.finish()


def test_the_value_of_an_unknown_option_is_no_positional() -> None:
    arguments = Arguments("train", ["--run.steps", "5"])
    assert arguments.leading() is None
    assert arguments.rest() == ["--run.steps", "5"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--split"], "--split needs a value"),
        (["--split", "--json"], "--split needs a value"),
        (["--split", "a", "--split=b"], "--split is given 2 times"),
        (["--json=1"], "--json takes no value"),
        (["--jsno"], "did you mean --json"),
        (["stray"], "'stray' is not expected; see crossmod v --help"),
    ],
)
def test_refusals(words: list[str], sentence: str) -> None:
    arguments = Arguments("v", words)
    with pytest.raises(UserError, match=sentence):
        arguments.value("--split")
        arguments.flag("--json")
        arguments.finish()


@pytest.mark.parametrize("words", [["stray"], ["--"], ["-x", "1"], ["--a"], ["--a", "--b"]])
def test_what_is_no_assignment_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError):
        assignments(words)
