"""YAML is read strictly, and what is written reads back equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.cli.recipe_text import read_file, read_mapping, read_value, write_yaml
from crossmod.errors import UserError


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", r"r\.yaml cannot be read as YAML: line 3: 'a' stands twice \(lines 1 and 3\)"),
        ("a:\n  x: 1\n  x: 1\n", r"line 3: 'x' stands twice"),
        ("a:\n\tb: 1\n", r"line 2 is indented with a tab; use spaces"),
        ("- a\n- b\n", r"r\.yaml holds a list"),
        ("", r"r\.yaml holds nothing"),
        ("just text", r"r\.yaml holds a str"),
        ("a: [1\n", r"cannot be read as YAML"),
        ("1: a\n", r"the key 1 is not text"),
        ("a: !!python/object:os.system x\n", r"cannot be read as YAML"),
    ],
)
def test_what_a_person_would_not_notice_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        read_mapping(text, "r.yaml")
    assert "\n" not in str(caught.value)


def test_scalars_are_what_they_look_like() -> None:
    text = "a: 1e-3\nb: off\nc: 2024-01-01\nd: true\ne: 5\nf: .5\ng: 1.\nh: -.inf\ni: 1e5\nj: null\n"
    assert read_mapping(text, "x") == {
        "a": 1e-3,
        "b": "off",
        "c": "2024-01-01",
        "d": True,
        "e": 5,
        "f": 0.5,
        "g": 1.0,
        "h": float("-inf"),
        "i": 1e5,
        "j": None,
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES))
def test_what_is_written_reads_back_equal(tree: dict[str, object]) -> None:
    assert read_mapping(write_yaml(tree), "x") == tree


def test_text_that_is_no_yaml_stands_for_itself() -> None:
    assert read_value("[a") == "[a"
    assert read_value("{a: b}") == {"a": "b"}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recipe file"):
        read_file(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
    (tmp_path / "b").write_bytes(b"a: \xff\n")
    with pytest.raises(UserError, match=r"not UTF-8 text \(byte 3\)"):
        read_file(tmp_path / "b")
