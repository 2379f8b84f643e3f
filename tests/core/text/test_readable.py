import numpy as np

from crossmod.text.readable import readable_texts


def test_positions_and_reasons():
    items = ["a", "", "\t\n ", None, 3.0, b"bytes", "half \ud83d", np.str_("b"), "\x00"]
    readable = readable_texts(items)
    assert readable.texts == ["a", "b", "\x00"]
    assert readable.positions == [0, 7, 8]
    reasons = dict(readable.rejected)
    assert reasons[1] == reasons[2] == "the text is empty"
    assert reasons[3] == "not a text but a value of type NoneType"
    assert reasons[5] == "not a text but a value of type bytes"
    assert reasons[6].startswith("character 5 is half of a surrogate pair")


def test_whole_surrogate_pairs_and_every_plane_are_texts():
    assert readable_texts(["😀", "\U0010ffff", "مرحبا"]).rejected == []
