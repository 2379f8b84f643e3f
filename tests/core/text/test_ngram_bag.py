import pytest
import torch
from torch.nn import functional

from crossmod.contracts.batch import Inputs
from crossmod.text.ngram_bag import NgramBagTower
from crossmod.text.ngrams import NgramProcessor

TEXTS = [f"a {kind} of {n} {'very ' * (n % 7)}small things" for kind in ("cloud", "graph", "scan") for n in range(8)]


@pytest.fixture(scope="module")
def processor():
    return NgramProcessor.fit(TEXTS, buckets=4096, word_orders=(1, 2), character_orders=(3, 4))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def tower(processor, **changes):
    return NgramBagTower(processor, **{"width": 32, "depth": 2, **changes})


def test_the_bag_is_the_weighted_sum_of_its_embeddings(processor):
    model = tower(processor, depth=0, dropout=0.9, ngram_dropout=0.5).eval()
    inputs = processor(TEXTS)
    assert isinstance(inputs, Inputs)
    for row in (0, 23):
        own = slice(int(inputs.offsets[row]), int(inputs.offsets[row + 1]))
        bag = (model.embedding.weight[inputs.buckets[own].long()] * inputs.weights[own, None]).sum(0)
        expected = functional.layer_norm(bag, (32,))
        torch.testing.assert_close(model(inputs).pooled[row], expected, atol=1e-5, rtol=0)


def test_a_text_alone_equals_the_text_among_others(processor):
    model = tower(processor).eval()
    torch.testing.assert_close(model(processor(TEXTS)).pooled[5], model(processor(TEXTS[5:6])).pooled[0])
    assert model(processor(TEXTS)).tokens is None


def test_gradients_reach_every_parameter(processor):
    model = tower(processor, dropout=0.1, ngram_dropout=0.1)
    pooled = model(processor(TEXTS)).pooled
    (pooled * torch.randn_like(pooled)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_ngram_dropout_drops_the_stated_share_in_training_alone(processor):
    model = tower(processor, ngram_dropout=0.25)
    inputs = processor(TEXTS * 50)
    thinned = model._thinned(inputs.weights, inputs.offsets)
    kept = thinned != 0
    assert 0.22 < float(1 - kept.float().mean()) < 0.28
    assert torch.equal(thinned[kept], inputs.weights[kept])
    shares = torch.stack([part.float().mean() for part in kept.tensor_split(inputs.offsets[1:-1])])
    assert shares.min() < 0.6
    assert shares.max() > 0.95
    assert model.eval()._thinned(inputs.weights, inputs.offsets) is inputs.weights


def test_a_text_that_lost_every_ngram_stays_finite(processor):
    model = tower(processor)
    inputs = processor(TEXTS[:2])
    bare = type(inputs)(inputs.buckets, torch.zeros_like(inputs.weights), inputs.offsets)
    pooled = model(bare).pooled
    pooled.sum().backward()
    assert pooled.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_no_texts_give_no_features(processor):
    assert tower(processor)(processor(TEXTS).take(torch.zeros(0, dtype=torch.int64))).pooled.shape == (0, 32)


def test_the_same_seed_gives_the_same_numbers(processor):
    def numbers():
        torch.manual_seed(3)
        model = tower(processor, dropout=0.3, ngram_dropout=0.3)
        model(processor(TEXTS)).pooled.square().sum().backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    assert torch.equal(numbers(), numbers())


@pytest.mark.parametrize("depth", [0, 1])
def test_it_learns_to_tell_texts_apart(processor, depth):
    model, head = tower(processor, depth=depth, ngram_dropout=0.1), torch.nn.Linear(32, len(TEXTS))
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1e-2)
    inputs, labels = processor(TEXTS), torch.arange(len(TEXTS))
    for _ in range(60):
        loss = functional.cross_entropy(head(model(inputs).pooled), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(head(model.eval()(inputs).pooled).argmax(1), labels)
