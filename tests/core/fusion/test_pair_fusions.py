import subprocess
import sys

import pytest
import torch

import crossmod.fusion
from crossmod.cli.recipes import parse_recipe
from crossmod.contracts.tower import Features
from crossmod.errors import UserError
from crossmod.fusion.pair_fusions import CoAttentionFusion, QueriedFusion, ResampledFusion, TwoStreamFusion
from crossmod.fusion.resampler import Source
from crossmod.fusion.settings import CoAttention, QueriedTokens, ResampledTokens, TwoStreams
from crossmod.testing.tiny import domain
from crossmod.training.assemble import assemble
from crossmod.training.backward import backward

FUSIONS = [kind(width=8, depth=2, heads=2) for kind in (CoAttention, QueriedTokens, ResampledTokens, TwoStreams)]


def features(width, length, mask=None):
    tokens = torch.randn(3, length, width)
    return Features(tokens.mean(1), tokens, torch.ones(3, length, dtype=torch.bool) if mask is None else mask)


@pytest.mark.parametrize("settings", FUSIONS)
def test_one_vector_a_pair_of_the_stated_width_whatever_the_padding(settings):
    fusion = settings.build(6, 5)
    a, b = features(6, 4), features(5, 3)
    plain = fusion(a, b)
    assert plain.shape == (3, fusion.width)
    junk = torch.full((3, 2, 5), torch.nan)
    padded = Features(b.pooled, torch.cat([b.tokens, junk], 1), torch.arange(5).expand(3, -1) < 3)
    torch.testing.assert_close(fusion(a, padded), plain)
    padded = Features(a.pooled, torch.cat([a.tokens, torch.randn(3, 2, 6)], 1), torch.arange(6).expand(3, -1) < 4)
    torch.testing.assert_close(fusion(padded, b), plain)


@pytest.mark.parametrize("settings", FUSIONS)
def test_both_sides_matter_row_by_row_and_every_weight_learns(settings):
    fusion = settings.build(6, 5)
    a, b = features(6, 4), features(5, 3)
    plain, other = fusion(a, b), fusion(a, Features(b.pooled, b.tokens.roll(1, 0), b.mask))
    assert (plain - other).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(fusion(*(Features(*(x[:1] for x in f[:3])) for f in (a, b))), plain[:1])
    plain.pow(3).sum().backward()
    unused = [name for name, parameter in fusion.named_parameters() if parameter.grad is None]
    assert not unused


@pytest.mark.parametrize("settings", FUSIONS)
def test_a_side_without_tokens_enters_with_its_pooled_vector(settings):
    fusion, a, b = settings.build(6, 5), features(6, 4), Features(torch.randn(3, 5))
    one = Features(b.pooled, b.pooled[:, None], torch.ones(3, 1, dtype=torch.bool))
    torch.testing.assert_close(fusion(a, b), fusion(a, one))
    assert fusion(*(Features(x.pooled[:0]) for x in (a, b))).shape == (0, fusion.width)
    with pytest.raises(ValueError, match="differ in their number of samples"):
        fusion(a, Features(b.pooled[:2]))


def test_settings_build_what_they_say_and_refuse_what_cannot_be():
    shared, apart = (CoAttention(width=8, share_cross=share).build(6, 5) for share in (True, False))
    assert (
        isinstance(shared, CoAttentionFusion) and len(shared.layers[0].cross) == 1 and len(apart.layers[0].cross) == 2
    )
    assert isinstance(FUSIONS[1].build(6, 5), QueriedFusion)
    assert isinstance(FUSIONS[2].build(6, 5), ResampledFusion) and isinstance(FUSIONS[3].build(6, 5), TwoStreamFusion)
    with pytest.raises(UserError, match="0 queries"):
        ResampledTokens(queries=0)
    for bad in ({"heads": 3}, {"depth": 0}, {"dropout": 1.0}):
        with pytest.raises(UserError, match="cannot be made"):
            CoAttention(**bad)


@pytest.mark.parametrize("settings", FUSIONS, ids=lambda settings: type(settings).__name__)
def test_a_recipe_names_it_and_training_lowers_the_matching_loss(settings):
    kind = f"crossmod.fusion.settings.{type(settings).__name__}"
    fusion = f"{{class_path: {kind}, init_args: {{width: 16, depth: 1, heads: 2}}}}"
    matching = "crossmod.objectives.matching.settings.PairMatching"
    objective = f"{{class_path: {matching}, init_args: {{a: text, b: point, negatives: uniform, fusion: {fusion}}}}}"
    parts = assemble(parse_recipe(domain, ["--data.points=40", f"--objectives={{match: {objective}}}"]))
    optimiser = torch.optim.Adam([*parts.model.towers.parameters(), *parts.mixture.parameters()], lr=3e-3)
    losses = []
    for step in range(40):
        optimiser.zero_grad()
        batch = parts.prepared.batch(torch.randperm(64)[:16])
        losses.append(float(backward(parts.model, parts.mixture, batch, step)["loss"]))
        optimiser.step()
    assert sum(losses[-8:]) < sum(losses[:8])


def test_the_mean_of_the_queries_logits_is_the_logit_of_their_mean():
    fusion, head = FUSIONS[2].build(6, 5), torch.nn.Linear(8, 2)
    a, b = features(6, 4), features(5, 3)
    tokens, mask = fusion.a(a)
    queries = fusion.resampler({"b": Source(b.tokens, b.mask)}, tokens, mask, kind="full").queries
    torch.testing.assert_close(head(fusion(a, b)), head(queries).mean(1))
    blind = fusion(a, Features(b.pooled, b.tokens, torch.zeros(3, 3, dtype=torch.bool)))
    assert torch.equal(blind, torch.zeros(3, 8))


def test_every_public_name_is_there_and_an_unknown_one_is_not():
    for name in crossmod.fusion.__all__:
        assert getattr(crossmod.fusion, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Blender'"):
        _ = crossmod.fusion.Blender


def test_settings_and_prompts_load_without_torch():
    code = (
        "import sys, crossmod.fusion.settings; from crossmod.fusion import PositionPrompt, Box; "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
