"""Sentences about nodules say what was rated, in the same or in other words."""

from __future__ import annotations

from crossmod_medical.nodules.captions import canonical_caption, captions, malignancy_prompts

TERMS = {
    "texture": "Part Solid/Mixed",
    "calcification": "Absent",
    "sphericity": "Ovoid",
    "margin": "Medium Margin",
    "lobulation": "No Lobulation",
    "spiculation": "Marked Spiculation",
    "subtlety": "Obvious",
    "malignancy": "Highly Suspicious",
}


def test_a_caption_names_size_and_every_rated_term_once() -> None:
    assert canonical_caption(TERMS, 11.6) == (
        "nodule of 12 mm, part solid/mixed texture, calcification absent, ovoid shape, medium margin, no lobulation, "
        "marked spiculation, obvious, malignancy highly suspicious."
    )


def test_other_wordings_say_the_same_and_come_back_equal() -> None:
    found = captions("a", TERMS, 11.6, 8)
    assert found == captions("a", TERMS, 11.6, 8) and found[:3] == captions("a", TERMS, 11.6, 3)
    assert found[0] == canonical_caption(TERMS, 11.6) and len(set(found)) == 8
    said = ["12 mm", "part solid/mixed", "absent", "ovoid", "medium", "no lobulation", "marked spiculation"]
    assert all(term in caption for caption in found for term in [*said, "obvious", "highly suspicious"])
    assert {caption.index("ovoid") for caption in found} != {found[0].index("ovoid")}
    assert captions("b", TERMS, 11.6, 8)[1:] != found[1:]


def test_a_term_that_was_not_rated_is_not_told() -> None:
    assert canonical_caption({"margin": "Sharp"}, 4.0) == "nodule of 4 mm, sharp margin."


def test_prompts_use_the_words_of_captions_and_none_means_both() -> None:
    prompts = malignancy_prompts()
    assert set(prompts) == {"benign", "malignant"} and not set(prompts["benign"]) & set(prompts["malignant"])
    clauses = {clause.strip() for caption in captions("a", TERMS, 9.0, 40) for clause in caption[:-1].split(",")}
    told = {prompt[:-1] for prompt in prompts["malignant"] if "highly" in prompt}
    assert told and told <= clauses
