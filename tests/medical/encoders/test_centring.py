"""Centring of pooled vectors: its closed form, what moves its statistics, and towers that have it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crossmod_medical.encoders.centring import BatchCentring
from crossmod_medical.encoders.network_settings import VolumeSwin
from crossmod_medical.encoders.report_settings import ReportLevels, ReportTransformer, SentenceText
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.volumes import VolumeInputs

TEXT = {"vocabulary": 300, "length": 64, "width": 24, "depth": 1, "heads": 2, "dropout": 0.0, "centred": True}


def test_a_batch_keeps_nothing_in_common_and_every_component_counts_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = 5 + torch.randn(64, 6, generator=generator) * torch.arange(1, 7)
    centring = BatchCentring(6)
    expected = (vectors - vectors.mean(0)) / (vectors.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(centring(vectors), expected)
    # Running statistics start at 0 and 1 and move by a tenth; the variance that they keep is the unbiased one.
    mean, variance = 0.1 * vectors.mean(0), 0.9 + 0.1 * vectors.var(0)
    applied = (vectors - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(centring.applied(vectors), applied)
    torch.testing.assert_close(centring(vectors[:1]), applied[:1])
    torch.testing.assert_close(centring.eval()(vectors), applied)
    assert centring(vectors[:0]).shape == (0, 6)


@pytest.mark.parametrize("settings", [ReportTransformer(**TEXT), ReportLevels(**TEXT)], ids=["words", "levels"])
def test_whole_reports_alone_move_the_statistics(settings: SentenceText, reports: list[str]) -> None:
    torch.manual_seed(0)
    tower = settings.build(settings.fit_processor(reports))
    plain = replace(settings, centred=False).build(tower.processor)
    plain.load_state_dict(tower.state_dict(), strict=False)
    inputs = tower.processor(reports)
    pooled = tower(inputs).pooled
    torch.testing.assert_close(pooled, BatchCentring(24)(plain(inputs).pooled))
    kept = tower.centring.norm.running_mean.clone()
    assert bool(kept.any())
    tokens = tower.tokenise(inputs)
    hidden = tower.encode(tokens, tokens.mask & (torch.arange(tokens.mask.shape[1]) % 2 == 0))
    assert torch.equal(tower.centring.norm.running_mean, kept) and bool(hidden.pooled.isfinite().all())
    tower.eval()
    torch.testing.assert_close(tower.encode(tokens, torch.ones_like(tokens.mask)).pooled, tower(inputs).pooled)


def test_places_of_a_volume_still_average_to_its_vector() -> None:
    grid = VolumeGrid(size=(64, 32, 32), spacing_mm=(2.0, 2.0, 2.0), cache="off")
    settings = VolumeSwin(grid=grid, base=12, depths=(1, 1, 1, 1), heads=(1, 2, 4, 8), window=2, centred=True)
    torch.manual_seed(0)
    tower = settings.build(grid.build())
    voxels = torch.randint(-1000, 1000, (3, *grid.shape), generator=torch.Generator().manual_seed(0)).to(torch.int16)
    inputs = VolumeInputs(voxels, grid)
    pooled = tower(inputs).pooled
    torch.testing.assert_close(pooled.mean(0), torch.zeros(tower.width), atol=1e-4, rtol=0)
    tower.eval()
    torch.testing.assert_close(tower.local(inputs).flatten(1, 3).mean(1), tower(inputs).pooled, atol=1e-4, rtol=1e-4)
    assert tower(inputs.take(torch.arange(0))).pooled.shape == (0, tower.width)
