import pytest

from crossmod.errors import UserError
from crossmod.text.fingerprint import require_file, require_kind, require_setting, sha256


def test_sha256_is_the_standard_one():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_must_be_the_one_described():
    assert require_file({"a": b"abc"}, "a", sha256(b"abc")) == b"abc"
    with pytest.raises(UserError, match="not the file that the model was trained with"):
        require_file({"a": b"abd"}, "a", sha256(b"abc"))
    with pytest.raises(UserError, match="has no a for its text processor"):
        require_file({}, "a", sha256(b"abc"))


def test_a_spec_must_be_of_the_kind_and_whole():
    require_kind({"kind": "x", "length": 3}, "x", "length")
    with pytest.raises(UserError, match="of kind 'y'"):
        require_kind({"kind": "y"}, "x")
    with pytest.raises(UserError, match="has no length, width"):
        require_kind({"kind": "x"}, "x", "length", "width")


def test_a_setting_never_loses_silently():
    require_setting({"length": 3}, "length", 3)
    with pytest.raises(UserError, match="set length of the text tower to 3"):
        require_setting({"length": 3}, "length", 4)
