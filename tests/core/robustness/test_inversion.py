"""The acceptance checks of modality inversion, and both directions of it on a trained model."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from crossmod.errors import UserError
from crossmod.evaluation.context import EvaluationContext
from crossmod.objectives.pairs import nt_xent
from crossmod.robustness.inversion import invert_modality, prompt_encoder, repeat_nearest
from crossmod.robustness.victim import attackable, encoder_of
from crossmod_metrics import intra_modal_retrieval


def test_a_linear_invertible_encoder_is_inverted():
    torch.manual_seed(0)
    weight = torch.linalg.qr(torch.randn(8, 8)).Q
    target = torch.randn(5, 8)
    found = invert_modality(lambda v: v.flatten(1) @ weight, target, (1, 8))
    assert found.pseudo.shape == (5, 1, 8) and found.losses.shape == (151, 5)
    assert float(torch.cosine_similarity(found.embeddings, target).min()) > 0.99
    assert torch.allclose(found.embeddings.norm(dim=1), torch.ones(5))
    assert float(found.losses[-1].max()) < 0.01 < float(found.losses[0].min())


def test_items_do_not_touch_each_other():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.GELU(), torch.nn.Linear(16, 4))
    target = torch.randn(3, 4)
    together = invert_modality(network, target, (6,), steps=30, seed=9)
    for item in range(3):
        alone = invert_modality(network, target[item : item + 1], (6,), steps=30, seed=9 + item)
        assert torch.allclose(alone.pseudo[0], together.pseudo[item], atol=1e-5)
    released = invert_modality(network, target, (6,), steps=30, seed=9, release_compat=True)
    assert torch.allclose(released.embeddings, together.embeddings, atol=1e-2)


def test_it_is_adamw_on_one_minus_the_cosine():
    weight = torch.randn(4, 4, dtype=torch.float64)
    target = torch.randn(2, 4, dtype=torch.float64)
    found = invert_modality(lambda v: v @ weight, target, (4,), steps=3, seed=1)
    starts = [0.02 * torch.randn(4, generator=torch.Generator().manual_seed(1 + b)) for b in range(2)]
    value = torch.stack(starts).double()
    mean, square = torch.zeros_like(value), torch.zeros_like(value)
    for step in range(1, 4):
        leaf = value.clone().requires_grad_(True)
        (1 - torch.cosine_similarity(leaf @ weight, target)).sum().backward()
        value = value * (1 - 0.02 * 0.01)
        mean, square = 0.9 * mean + 0.1 * leaf.grad, 0.999 * square + 0.001 * leaf.grad**2
        value = value - 0.02 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
    assert torch.allclose(found.pseudo, value, atol=1e-9)


def test_nearest_repetition():
    one = repeat_nearest(torch.randn(2, 1, 3), 7)
    assert one.shape == (2, 7, 3) and torch.equal(one, one[:, :1].expand(2, 7, 3))
    four = repeat_nearest(torch.arange(4.0)[None, :, None], 16)
    assert four[0, :, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4 + [3.0] * 4
    uneven = repeat_nearest(torch.arange(3.0)[None, :, None], 7)[:, :, 0]
    assert torch.equal(uneven, torch.nn.functional.interpolate(torch.arange(3.0)[None, None], size=7)[0])
    with pytest.raises(UserError, match="5 pseudo-tokens do not fill a sequence of 4"):
        repeat_nearest(torch.zeros(1, 5, 2), 4)


def _prompt(context: EvaluationContext):
    processor = context.model.tower("text").processor
    return processor(["a point at the left"])


def test_a_prompt_with_its_own_tokens_is_the_text_itself(context: EvaluationContext):
    model, prompt = context.model, _prompt(context)
    tower = model.tower("text")
    tokens = tower.tokenise(prompt)
    places = [1, 2]
    with attackable(model):
        found = prompt_encoder(model, "text", prompt, places)(tokens.values[:, places].expand(3, -1, -1))
    assert torch.allclose(found, model.embed("text", prompt).expand(3, -1), atol=1e-6)


def test_both_directions_on_a_trained_model_leave_it_unchanged(context: EvaluationContext):
    model = context.model
    before = copy.deepcopy(model.state_dict())
    points, texts = context.prepared.inputs["point"].take(torch.arange(4)), context.prepared.inputs["text"]
    target_point, target_text = model.embed("point", points), model.embed("text", texts.take(torch.arange(4)))
    width = model.tower("text").width
    with attackable(model):
        to_text = invert_modality(
            prompt_encoder(model, "text", _prompt(context), [1]), target_point, (1, width), rate=0.1
        )
        to_point = invert_modality(encoder_of(model, "point", points), target_text, (2,))
    for found, target in ((to_text, target_point), (to_point, target_text)):
        first, last = found.losses[0], found.losses[-1]
        assert float(last.mean()) < 0.5 * float(first.mean())
        assert torch.allclose(1 - last, (found.embeddings * target).sum(1), atol=1e-5)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def _times(matrix, pseudo):
    return pseudo @ matrix


def _across_and_inside(query, native, group):
    """Mean average precision of queries in the other modality's space, and of the native ones, among native items."""
    item = torch.arange(len(native))
    return [
        intra_modal_retrieval(side, native, group, group, query_item=item, gallery_item=item).mean_average_precision
        for side in (query, native)
    ]


def test_inverted_queries_find_what_noise_of_their_own_modality_hides():
    """Cross the Gap's counter-example: noise orthogonal to the shared subspace, and an offset a modality."""
    torch.manual_seed(3)
    group = torch.arange(5).repeat_interleave(8)
    shared, noise = torch.eye(5)[group], 2.0 * torch.randn(40, 16)
    native = torch.cat((shared, noise, torch.ones(40, 1), torch.zeros(40, 1)), 1)

    def other_side(pseudo):
        content = pseudo.flatten(1)
        none, one = content.new_zeros(len(content), 17), content.new_ones(len(content), 1)
        return torch.cat((content, none, one), 1)

    found = invert_modality(other_side, native, (1, 5), steps=150)
    assert torch.equal(found.embeddings[:, 5:21], torch.zeros(40, 16))
    across, inside = _across_and_inside(found.embeddings, native, group)
    assert inside < 0.5 < 0.9 < across


@pytest.mark.parametrize("seed", [0, 1])
def test_a_term_inside_the_modality_narrows_what_inversion_gains(seed):
    """lambda = 1 of SLIP's term on two views (Cross the Gap): noise that pairs alone let through no longer ranks.

    Later the pairs alone would shrink that noise too; the comparison is after equally many steps.
    """
    generator = torch.Generator().manual_seed(seed)
    items, width = 48, 48
    group = torch.arange(items) % 6
    meaning = torch.eye(6)[group] + 0.3 * torch.randn(items, 6, generator=generator)

    def view():
        return torch.cat((meaning, 1.5 * torch.randn(items, width, generator=generator)), 1)

    gains = []
    for weight in (0.0, 1.0):
        start = torch.Generator().manual_seed(seed)
        encoder_a = (0.3 * torch.randn(6 + width, 24, generator=start)).requires_grad_(True)
        encoder_b = (0.3 * torch.randn(6, 24, generator=start)).requires_grad_(True)
        optimiser, scale = torch.optim.Adam([encoder_a, encoder_b], lr=0.01), torch.tensor(10.0)
        for _ in range(150):
            a, b = normalize(view() @ encoder_a, dim=1), normalize(meaning @ encoder_b, dim=1)
            logits, own = scale * a @ b.T, torch.arange(items)
            loss = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
            loss = loss + weight * nt_xent(view() @ encoder_a, view() @ encoder_a, scale)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        native = (view() @ encoder_a).detach()
        found = invert_modality(partial(_times, encoder_b.detach()), native, (6,), rate=0.1)
        across, inside = _across_and_inside(found.embeddings, native, group)
        gains.append((inside, across - inside))
    (inside_alone, gain_alone), (inside_both, gain_both) = gains
    assert gain_alone > 0.2 and inside_both > inside_alone + 0.2
    assert gain_both < gain_alone / 3


def test_refusals(context: EvaluationContext):
    model, prompt = context.model, _prompt(context)
    with pytest.raises(UserError, match="0 embeddings"):
        invert_modality(lambda v: v, torch.zeros(0, 3), (3,))
    with pytest.raises(UserError, match="is zero, which has no direction"):
        invert_modality(lambda v: v, torch.zeros(1, 3), (3,))
    with pytest.raises(UserError, match="embeddings to be matched hold 1 NaN"):
        invert_modality(lambda v: v, torch.tensor([[1.0, float("nan")]]), (2,))
    with pytest.raises(UserError, match="the tower of point is a VectorTower"):
        prompt_encoder(model, "point", context.prepared.inputs["point"], [0])
    with pytest.raises(UserError, match="the prompt holds 2 samples"):
        prompt_encoder(model, "text", prompt.take(torch.tensor([0, 0])), [0])
    with pytest.raises(UserError, match="are not different ones of 0 to"):
        prompt_encoder(model, "text", prompt, [99])
