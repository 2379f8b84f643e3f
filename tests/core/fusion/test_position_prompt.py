import random

import pytest

from crossmod.fusion.boxes import Box
from crossmod.fusion.position_prompt import Located, PositionPrompt

SIZE = (90, 90)
DOG, CAT = Located("dog", Box((35, 35), (55, 55))), Located("Cat!", Box((0, 70), (10, 80)))
GONE = Located("bird", Box((-20, 0), (-10, 5)))


def test_the_sentence_of_the_paper():
    text = PositionPrompt()("A Dog, on grass.", [DOG], SIZE, random.Random(0))
    assert text == "a dog on grass. the block 4 has a dog"
    assert PositionPrompt()("", [CAT], SIZE, random.Random(0)) == "the block 2 has a cat"


def test_one_object_is_drawn_each_time_evenly():
    draw, prompt = random.Random(1), PositionPrompt()
    texts = [prompt("seen", [DOG, CAT], SIZE, draw) for _ in range(1000)]
    assert set(texts) == {"seen. the block 4 has a dog", "seen. the block 2 has a cat"}
    assert abs(sum("dog" in text for text in texts) - 500) < 80


def test_lost_objects_are_x_or_never_drawn():
    assert PositionPrompt().sentence(GONE, SIZE) == "the block x has a bird"
    skip, draw = PositionPrompt(lost="skip"), random.Random(2)
    assert {skip("seen", [GONE, DOG], SIZE, draw) for _ in range(50)} == {"seen. the block 4 has a dog"}
    assert skip("seen", [GONE], SIZE, draw) == skip("seen", [], SIZE, draw) == "seen"


def test_probability_leaves_captions_alone():
    draw, prompt = random.Random(3), PositionPrompt(probability=0.25)
    added = sum("block" in prompt("seen", [DOG], SIZE, draw) for _ in range(2000))
    assert abs(added - 500) < 100
    assert PositionPrompt(probability=0.0)("seen", [DOG], SIZE, draw) == "seen"


def test_limits_cut_the_caption_and_keep_the_prompt():
    long = " ".join(f"word{i}" for i in range(40))
    text = PositionPrompt()(long, [DOG], SIZE, random.Random(0))
    caption, prompt = text.split(". ")
    assert len(caption.split()) == 22 and prompt == "the block 4 has a dog"
    text = PositionPrompt()(long, [DOG], SIZE, random.Random(0), tokens=lambda t: len(t.split()), most_tokens=10)
    assert text == "word0 word1 word2 word3. the block 4 has a dog"
    tight = PositionPrompt()(long, [DOG], SIZE, random.Random(0), tokens=lambda t: len(t.split()), most_tokens=6)
    assert tight == "the block 4 has a dog"
    with pytest.raises(ValueError, match="more than 5 tokens"):
        PositionPrompt()(long, [DOG], SIZE, random.Random(0), tokens=lambda t: len(t.split()), most_tokens=5)
    many = Located("very large brown old wooden table", DOG.box)
    assert PositionPrompt().sentence(many, SIZE) == "the block 4 has a very large brown"


def test_named_blocks_of_a_volume():
    names = tuple(f"{z} {y} {x}" for z in ("lower", "upper") for y in ("front", "back") for x in ("right", "left"))
    prompt = PositionPrompt(grid=(2, 2, 2), names=names, template="the {block} block has a {name}")
    nodule = Located("nodule", Box((8, 1, 6), (9, 2, 7)))
    assert prompt.sentence(nodule, (10, 10, 10)) == "the upper front left block has a nodule"


def test_options_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match="4 blocks and was given 3 names"):
        PositionPrompt(grid=(2, 2), names=("a", "b", "c"))
    with pytest.raises(ValueError, match="lacks"):
        PositionPrompt(template="there is a {name}")
    with pytest.raises(ValueError, match="probability=2"):
        PositionPrompt(probability=2)
