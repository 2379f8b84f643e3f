import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmod.fusion.masks import QUERY_TEXT_MASKS, build_mask, prefix_lengths


def slow_mask(kind, length, prefix, real):
    """Entry by entry, as the docstring says it."""
    rows = []
    for i in range(length):
        row = []
        for j in range(length):
            sees = {
                "full": True,
                "causal": j <= i,
                "prefix": j <= i or j < prefix,
                "separate": (i < prefix) == (j < prefix),
            }[kind]
            row.append(sees and real[j])
        rows.append(row)
    return torch.tensor(rows, dtype=torch.bool).reshape(length, length)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["full", "causal", "prefix", "separate"]),
    samples=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=3),
    prefix=st.integers(0, 5),
)
def test_every_kind_equals_its_definition(kind, samples, prefix):
    number = prefix if kind in ("prefix", "separate") else None
    mask = build_mask(kind, 5, prefix=number, real=torch.tensor(samples))
    for row, real in zip(mask, samples, strict=True):
        assert torch.equal(row, slow_mask(kind, 5, prefix, real))


def test_a_prefix_may_differ_by_sample():
    mask = build_mask("prefix", 4, prefix=torch.tensor([0, 3]))
    assert torch.equal(mask[0], build_mask("causal", 4)[0])
    assert torch.equal(mask[1], build_mask("prefix", 4, prefix=3)[0])


def test_an_opened_prefix_does_not_bring_left_padding_back():
    real = torch.tensor([[False, False, True, True, True]])
    mask = build_mask("prefix", 5, prefix=3, real=real)
    assert not mask[0, :, :2].any()
    assert mask[0, 2:, 2].all()


def test_q_former_masks():
    masks = {name: build_mask(kind, 5, prefix=None if kind == "full" else 2) for name, kind in QUERY_TEXT_MASKS.items()}
    queries, text = slice(0, 2), slice(2, 5)
    assert all(mask[0, queries, queries].all() for mask in masks.values())
    assert not masks["itc"][0, queries, text].any() and not masks["itc"][0, text, queries].any()
    assert masks["itc"][0, text, text].all()
    assert masks["itm"].all()
    assert not masks["icg"][0, queries, text].any() and masks["icg"][0, text, queries].all()
    assert torch.equal(masks["icg"][0, text, text], torch.ones(3, 3, dtype=torch.bool).tril())


def test_prefix_ends_before_the_first_supervised_label():
    labels = torch.tensor([[-100, -100, 7, -100, 8], [5, 5, 5, 5, 5], [-100] * 5])
    assert prefix_lengths(labels).tolist() == [2, 0, 5]
    assert prefix_lengths(labels[:0]).tolist() == []


@pytest.mark.parametrize(
    "kind, options, found",
    [
        ("future", {}, "'future'"),
        ("prefix", {}, "prefix=None"),
        ("full", {"prefix": 2}, "prefix=2"),
        ("prefix", {"prefix": 6}, "from 0 to the length 5"),
        ("separate", {"prefix": torch.tensor([1, -1])}, "-1"),
        ("full", {"real": torch.ones(2, 4, dtype=torch.bool)}, "(2, 4)"),
        ("full", {"real": torch.ones(2, 5)}, "float32"),
        (
            "prefix",
            {"prefix": torch.tensor([1, 2, 3]), "real": torch.ones(2, 5, dtype=torch.bool)},
            "3 samples and real for 2",
        ),
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(kind, options, found):
    with pytest.raises(ValueError) as caught:
        build_mask(kind, 5, **options)
    assert found in str(caught.value)
