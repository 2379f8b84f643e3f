"""A folder in VQA-RAD's layout, drawn: a bright square left or right, and questions about it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDES = ("left", "right")


def write_questions(root: Path, images: int = 16) -> Path:
    """Even images show a square on the left, odd ones on the right; every image is asked three things."""
    (root / "images").mkdir(parents=True)
    draw = np.random.default_rng(0)
    lines = []
    for number in range(images):
        down, across = np.mgrid[:32, :32] / draw.uniform(3, 6, (2, 1, 1))
        pixels = np.rint(30 + 25 * np.sin(down + number) * np.cos(across)).astype(np.uint8)
        side = number % 2
        pixels[10:22, 4 + 14 * side : 14 + 14 * side] = 230
        Image.fromarray(pixels).save(root / "images" / f"picture{number}.png")
        asked = [
            ("Where is the bright square?", f"On the {SIDES[side]}.", "OPEN"),
            ("Is the square on the left?", "no" if side else "Yes", "CLOSED"),
            ("Is there any square?", "yes", "CLOSED"),
        ]
        for question, answer, kind in asked:
            lines.append(
                {
                    "qid": len(lines) + 1,
                    "image": f"picture{number}.png",
                    "organ": "CHEST",
                    "question": question,
                    "answer": answer,
                    "answer_type": kind,
                    "question_type": "POS",
                    "phrase_type": "frame" if kind == "OPEN" and number % 4 == 3 else "freeform",
                }
            )
    test = [{**line, "qid": 1000 + line["qid"], "phrase_type": "test_freeform"} for line in lines[-12:]]
    test.append({**test[0], "qid": 2000, "answer": "never seen before"})
    for name, held in (("train.jsonl", lines), ("test.jsonl", test)):
        (root / name).write_text("".join(json.dumps(line) + "\n" for line in held), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder."""
    return write_questions(tmp_path_factory.mktemp("questions") / "vqa")


@pytest.fixture(scope="session")
def real_questions() -> Path:
    """VQA-RAD itself; tests that need it say so where it is absent."""
    data = Path(os.environ.get("CROSSMOD_DATA", Path(__file__).parents[4] / "shared" / "data"))
    root = data / "medical" / "vqa_rad"
    if not root.is_dir():
        pytest.skip("VQA-RAD is not here; set CROSSMOD_DATA to the folder that holds medical/vqa_rad")
    return root
