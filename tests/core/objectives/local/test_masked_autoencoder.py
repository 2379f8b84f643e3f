from __future__ import annotations

import pytest
import torch
from torch import nn

from crossmod.objectives.local.masked_autoencoder import CrossModalDecoder, MaskedAutoencoder, TokenDecoder
from crossmod.objectives.local.maskers import uniform_masking
from crossmod.objectives.local.modality_masking import dirichlet_masking
from crossmod.objectives.local.patches import grid_coordinates, patchify, sinusoidal_positions, standardise_patches
from crossmod.objectives.local.reconstruction import chamfer_error, masked_reconstruction_loss
from crossmod.objectives.local.token_transformer import TokenTransformer
from crossmod.objectives.local.visible_tokens import gather_visible


def _model(width: int = 32, outputs: int = 16, decoder: int = 24) -> MaskedAutoencoder:
    return MaskedAutoencoder(
        TokenTransformer(width, 2, 4), TokenDecoder(width, outputs, width=decoder, depth=1, heads=4)
    )


def _positions(counts: tuple[int, ...], width: int) -> torch.Tensor:
    return sinusoidal_positions(grid_coordinates(counts), width)


def test_predictions_do_not_depend_on_what_is_hidden() -> None:
    model = _model().eval()
    tokens = torch.randn(3, 16, 32)
    keep = uniform_masking(torch.ones(3, 16, dtype=torch.bool), 0.75, torch.Generator().manual_seed(0))
    other = torch.where(keep[..., None], tokens, torch.nan)
    positions = _positions((4, 4), 24)
    assert torch.equal(model(tokens, keep, positions), model(other, keep, positions))


def test_the_encoder_works_on_the_visible_tokens_only() -> None:
    seen: list[torch.Size] = []

    class Watching(nn.Module):
        def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            seen.append(values.shape)
            return values

    model = MaskedAutoencoder(Watching(), TokenDecoder(32, 16, width=24, depth=1, heads=4))
    keep = uniform_masking(torch.ones(3, 196, dtype=torch.bool), 0.75)
    model(torch.randn(3, 196, 32), keep, _positions((14, 14), 24))
    assert seen == [torch.Size([3, 49, 32])]


def test_a_sample_alone_is_the_sample_in_a_padded_batch() -> None:
    model = _model().eval()
    tokens, positions = torch.randn(2, 9, 32), _positions((9,), 24)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    keep = uniform_masking(mask, 0.5, torch.Generator().manual_seed(0))
    together = model(tokens, keep, positions, mask)
    alone = model(tokens[1:, :5], keep[1:, :5], positions[:5])
    assert torch.allclose(together[1, :5], alone[0], atol=1e-5)


@pytest.mark.parametrize("hidden", ["all", "none"])
def test_rows_without_visible_or_hidden_tokens_are_defined(hidden: str) -> None:
    model = _model()
    keep = torch.full((2, 9), hidden == "none")
    prediction = model(torch.randn(2, 9, 32), keep, _positions((9,), 24))
    loss = masked_reconstruction_loss(prediction, torch.randn(2, 9, 16), ~keep)
    loss.backward()
    assert torch.isfinite(loss) and (float(loss.detach()) == 0) == (hidden == "none")
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert model(torch.randn(0, 9, 32), keep[:0], _positions((9,), 24)).shape == (0, 9, 16)


def test_the_gradient_reaches_every_parameter() -> None:
    model = _model()
    keep = uniform_masking(torch.ones(3, 16, dtype=torch.bool), 0.75)
    prediction = model(torch.randn(3, 16, 32), keep, _positions((4, 4), 24))
    masked_reconstruction_loss(prediction, torch.randn(3, 16, 16), ~keep).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_four_pictures_are_learned_by_heart() -> None:
    torch.manual_seed(1)
    rows, columns = torch.meshgrid(torch.linspace(0, 6, 16), torch.linspace(0, 6, 16), indexing="ij")
    pictures = torch.stack([(rows * a + columns * b).sin() for a, b in ((1, 0), (0, 1), (1, 1), (1, -2))])[:, None]
    target = standardise_patches(patchify(pictures, (4, 4)))
    embed, model = nn.Linear(16, 32), _model(decoder=32)
    places = _positions((4, 4), 32)
    optimiser = torch.optim.AdamW([*embed.parameters(), *model.parameters()], lr=3e-3)
    keep = uniform_masking(torch.ones(4, 16, dtype=torch.bool), 0.75, torch.Generator().manual_seed(0))
    for _ in range(300):
        prediction = model(embed(patchify(pictures, (4, 4))) + places, keep, places)
        loss = masked_reconstruction_loss(prediction, target, ~keep)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05


def test_a_rebuilt_patch_belongs_to_its_own_centre() -> None:
    # Every centre has a patch of its own shape, scaled by the centre; only the decoder's positions tell them apart.
    torch.manual_seed(1)
    centres = torch.randn(4, 8, 3)
    shapes = torch.randn(6, 3)[None, None] * centres[:, :, None]
    model = MaskedAutoencoder(TokenTransformer(24, 1, 2), TokenDecoder(24, 18, width=24, depth=1, heads=2))
    embed, place = nn.Linear(18, 24), nn.Sequential(nn.Linear(3, 64), nn.GELU(), nn.Linear(64, 24))
    optimiser = torch.optim.AdamW([*embed.parameters(), *place.parameters(), *model.parameters()], lr=5e-3)
    keep = uniform_masking(torch.ones(4, 8, dtype=torch.bool), 0.6, torch.Generator().manual_seed(0), "hidden")
    assert ((~keep).sum(1) == 4).all()
    losses = []
    for _ in range(300):
        predicted = model(embed(shapes.flatten(2)) + place(centres), keep, place(centres)).unflatten(-1, (6, 3))
        loss = masked_reconstruction_loss(predicted, shapes, ~keep, chamfer_error)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


def _cross(modality: torch.Tensor) -> CrossModalDecoder:
    torch.manual_seed(0)
    return CrossModalDecoder(32, int(modality.max()) + 1, 5, width=24, depth=1, heads=4).eval()


def test_a_modality_is_predicted_from_the_others_alone() -> None:
    modality = torch.arange(2).repeat_interleave(6)
    decoder, positions = _cross(modality), _positions((6,), 24).repeat(2, 1)
    mask = torch.ones(3, 12, dtype=torch.bool)
    tokens = torch.randn(3, 12, 32, requires_grad=True)
    keep = (modality == 0).expand(3, 12)
    visible = gather_visible(tokens, keep)
    prediction = decoder(visible.values, visible, positions, mask, modality, 1)
    assert prediction.shape == (3, 6, 5)
    prediction.square().sum().backward()
    assert tokens.grad[:, :6].any() and not tokens.grad[:, 6:].any()


def test_no_decoder_sees_a_removed_token() -> None:
    modality = torch.tensor([0] * 5 + [1] * 3 + [2] * 4)
    decoder, positions = _cross(modality), torch.randn(12, 24)
    masks = {str(m): torch.ones(6, int((modality == m).sum()), dtype=torch.bool) for m in range(3)}
    keep = torch.cat(list(dirichlet_masking(masks, 4, 1.0, torch.Generator().manual_seed(0)).values()), 1)
    tokens, mask = torch.randn(6, 12, 32), torch.ones(6, 12, dtype=torch.bool)
    other = torch.where(keep[..., None], tokens, torch.inf)
    shared = torch.randn(6, 1, 32)
    for of in range(3):
        found = []
        for values in (tokens, other):
            visible = gather_visible(values, keep)
            found.append(decoder(visible.values, visible, positions, mask, modality, of, shared))
        assert torch.equal(*found)


def test_queries_have_no_residual() -> None:
    # Were the mask token added to what attention returns, the prediction would move with it through every layer.
    modality = torch.zeros(4, dtype=torch.int64)
    decoder = _cross(modality)
    with torch.no_grad():
        decoder.attention.in_proj_weight[:24].zero_()  # queries all alike: attention is a plain mean
    tokens, keep = torch.randn(2, 4, 32), torch.tensor([[True, True, False, False]]).expand(2, 4)
    visible = gather_visible(tokens, keep)
    prediction = decoder(visible.values, visible, torch.randn(4, 24), torch.ones(2, 4, dtype=torch.bool), modality, 0)
    assert torch.allclose(prediction, prediction[:, :1].expand_as(prediction), atol=1e-5)


def test_a_sample_without_visible_tokens_and_an_empty_batch_are_defined() -> None:
    modality = torch.tensor([0, 0, 1, 1])
    decoder, mask = _cross(modality), torch.ones(2, 4, dtype=torch.bool)
    for keep in (torch.tensor([[True, False, False, False], [False] * 4]), torch.zeros(2, 4, dtype=torch.bool)):
        visible = gather_visible(torch.randn(2, 4, 32), keep)
        out = decoder(visible.values, visible, torch.randn(4, 24), mask, modality, 1)
        out.sum().backward()
        assert torch.isfinite(out).all()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in decoder.parameters())
    visible = gather_visible(torch.randn(0, 4, 32), mask[:0])
    assert decoder(visible.values, visible, torch.randn(4, 24), mask[:0], modality, 1).shape == (0, 2, 5)
