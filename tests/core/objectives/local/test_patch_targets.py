from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmod.errors import UserError
from crossmod.objectives.local import patch_target, reduce_tokens, standardise_patches, tube_masking
from crossmod.objectives.local.settings import MaskedPatches

TOWERS = runpy.run_path(str(Path(__file__).with_name("series_tower.py")))


def _tower() -> tuple[Any, Any]:
    tower = TOWERS["Series"]()
    return tower, tower.tokenise(TOWERS["waves"](3))


def test_every_target_of_perfect_predictions_costs_nothing() -> None:
    tower, tokens = _tower()
    patches = tokens.context.flatten(0, 1)
    values = patch_target("values", tower)
    assert torch.equal(values.read(tower, tokens), tokens.context) and values.outputs == 4
    standard = patch_target("values", tower, standardised=True).read(tower, tokens)
    assert torch.allclose(standard, standardise_patches(tokens.context))
    quantiles = patch_target("quantiles", tower, levels=(0.1, 0.9))
    assert quantiles.outputs == 8
    assert not quantiles.error(quantiles.shape(patches.repeat_interleave(2, 1)), patches).any()
    points = patch_target("points", tower, point_axes=2)
    shuffled = patches.view(-1, 2, 2).flip(1).flatten(1)
    wanted = points.read(tower, tokens).flatten(0, 1)
    assert wanted.shape == (48, 2, 2) and not points.error(points.shape(shuffled), wanted).any()
    codes = patch_target("codes", tower)
    sure = 50.0 * torch.nn.functional.one_hot(tokens.targets, codes.outputs).flatten(0, 1)
    assert float(codes.error(codes.shape(sure), codes.read(tower, tokens).flatten()).max()) < 1e-6


def test_towers_that_lack_what_is_to_be_predicted_are_refused() -> None:
    tower, _ = _tower()
    with pytest.raises(ValueError, match="points of 3"):
        patch_target("points", tower)
    with pytest.raises(ValueError, match="take 'values'"):
        patch_target("pixels", tower)
    with pytest.raises(UserError, match="points of 3"):
        MaskedPatches(modality="a", target="points", width=16).build({"a": tower})
    with pytest.raises(UserError, match="time_axis is 2"):
        MaskedPatches(modality="a", masker="tube", time_axis=2, width=16).build({"a": tower})
    with pytest.raises(UserError, match="quantile levels"):
        MaskedPatches(modality="a", levels=(0.5, 1.0))
    tower.vocabulary = 0
    with pytest.raises(UserError, match="no vocabulary"):
        MaskedPatches(modality="a", target="codes", width=16).build({"a": tower})


@given(times=st.integers(1, 4), places=st.integers(1, 6), share=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_tubes_are_hidden_whole_and_one_stays(times: int, places: int, share: float, seed: int) -> None:
    grid = torch.cartesian_prod(torch.arange(times), torch.arange(places)).view(-1, 2).float()
    coordinates = grid.expand(3, -1, -1)
    mask = torch.ones(3, times * places, dtype=torch.bool)
    mask[2, ::2] = False
    keep = tube_masking(mask, coordinates, share, torch.Generator().manual_seed(seed), time_axis=0)
    assert (keep | mask).all() and (keep & mask).any(1)[:2].all()
    whole = keep[0].view(times, places)
    assert (whole.all(0) | ~whole.any(0)).all(), "a tube is hidden at all times or at none"
    hidden = int((~whole[0]).sum())
    assert hidden == (
        0 if places == 1 or round(share * places) == places or not share else max(1, round(share * places))
    )


def test_series_are_one_tube_of_which_nothing_is_hidden() -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    assert tube_masking(mask, torch.arange(5.0).view(1, 5, 1).expand(2, 5, 1), 0.5).all()
    assert tube_masking(mask[:0], torch.zeros(0, 5, 2), 0.5).shape == (0, 5)
    with pytest.raises(ValueError, match="axis 3"):
        tube_masking(mask, torch.zeros(2, 5, 2), 0.5, time_axis=3)
    with pytest.raises(ValueError, match="stay visible"):
        tube_masking(mask, torch.zeros(2, 5, 2), 1.0)


@given(rows=st.integers(1, 6), cut=st.integers(0, 6), seed=st.integers(0, 99))
def test_means_over_rows_add_up_over_parts(rows: int, cut: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.rand(rows, 5, generator=generator) < 0.5
    errors = torch.randn(rows, 5, generator=generator, dtype=torch.float64)
    whole = reduce_tokens(errors[hidden], hidden, "row")
    parts = [
        float(reduce_tokens(errors[part][hidden[part]], hidden[part], "row")) * len(errors[part]) / rows
        for part in (slice(0, cut), slice(cut, rows))
    ]
    assert sum(parts) == pytest.approx(float(whole))
    if hidden.any(1).all():
        assert float(reduce_tokens(errors[hidden], hidden, "sample")) == pytest.approx(float(whole))
