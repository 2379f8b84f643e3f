"""LiT's recipe of a locked tower: what it learns, and that its embeddings may as well be computed once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.info_nce import InfoNCELoss
from crossmod.state.freeze_policy import Freeze, FreezePolicy

CLUSTERS, WIDTH = 10, 16


class Towers(nn.Module):
    """A random encoder with dropout, which locking silences, and a table of texts that learns to read it."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = nn.Sequential(nn.Linear(6, WIDTH), nn.Tanh(), nn.Dropout(0.5))
        self.text = nn.Embedding(CLUSTERS, WIDTH)
        self.loss = InfoNCELoss()


def _train(cached: bool) -> tuple[Towers, Tensor, list[float]]:
    torch.manual_seed(0)
    model = Towers()
    report = FreezePolicy([Freeze(pattern="locked")]).apply(model, 0)
    assert report.trainable_count == CLUSTERS * WIDTH + 1
    centre = torch.randn(CLUSTERS, 6)
    cluster = torch.arange(400) % CLUSTERS
    points = centre[cluster] + 0.1 * torch.randn(400, 6)
    model.train()
    with torch.no_grad():
        table = normalize(model.locked(points), dim=-1)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    generator, losses = torch.Generator().manual_seed(1), []
    for _ in range(60):
        rows = torch.randperm(len(points), generator=generator)[:32]
        seen = table[rows] if cached else normalize(model.locked(points[rows]), dim=-1)
        text = normalize(model.text(cluster[rows]), dim=-1)
        outcome = model.loss(seen, text, cluster[rows])
        optimiser.zero_grad()
        outcome.loss.backward()
        optimiser.step()
        model.loss.scale.clamp_()
        losses.append(float(outcome.loss.detach()))
    with torch.no_grad():
        nearest = (table @ normalize(model.text.weight, dim=-1).T).argmax(1)
    return model, (nearest == cluster).float().mean(), losses


def test_a_table_of_texts_learns_to_read_a_locked_encoder() -> None:
    _, accuracy, losses = _train(cached=False)
    assert float(accuracy) > 0.95 and losses[-1] < losses[0]


def test_embeddings_computed_once_train_as_live_ones() -> None:
    (live, _, losses), (cached, _, others) = _train(cached=False), _train(cached=True)
    assert torch.allclose(torch.tensor(losses), torch.tensor(others), atol=1e-6)
    assert torch.allclose(live.text.weight, cached.text.weight, atol=1e-5)
