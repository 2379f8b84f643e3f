"""Logistic probe: the true optimum, masked tasks, multinomial classes, and the choice of the penalty."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from crossmod_metrics import logistic_probe, roc_auc


def sample(samples=120, features=4, tasks=4, seed=0, missing=0.3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, features, generator=generator, dtype=torch.float64)
    x = x @ torch.randn(features, features, generator=generator, dtype=torch.float64) + 3
    truth = torch.randn(features, tasks, generator=generator, dtype=torch.float64)
    logits = (x - 3) @ truth
    labels = (torch.rand(samples, tasks, generator=generator) < torch.sigmoid(logits)).double()
    labels[torch.rand(samples, tasks, generator=generator) < missing] = torch.nan
    return x, labels, logits.argmax(dim=1)


def standardised(x):
    return (x - x.mean(dim=0)) / x.std(dim=0, correction=0)


def slow_optimum(loss, features, columns, l2, steps=1500):
    """Plain gradient descent on one problem; the loss takes logits."""
    weight = torch.zeros(features.shape[1], columns, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(columns, dtype=torch.float64, requires_grad=True)
    rate = 1.0 / (0.5 * float(torch.linalg.matrix_norm(features, 2)) ** 2 / len(features) + l2)
    for _ in range(steps):
        value = loss(features @ weight + bias) + l2 / 2 * weight.square().sum()
        grads = torch.autograd.grad(value, (weight, bias))
        with torch.no_grad():
            weight -= rate * grads[0]
            bias -= rate * grads[1]
    return weight.detach(), bias.detach()


@pytest.mark.parametrize("l2", [0.02, 0.5])
def test_every_task_reaches_the_optimum_of_its_own_masked_loss(l2):
    x, labels, _ = sample()
    probe = logistic_probe(x, labels, x, labels, l2_grid=(l2,), tolerance=1e-14)
    for task in range(labels.shape[1]):
        carried = ~labels[:, task].isnan()

        def loss(logits, task=task, carried=carried):
            return binary_cross_entropy_with_logits(logits[carried, 0], labels[carried, task])

        weight, bias = slow_optimum(loss, standardised(x), 1, l2)
        assert torch.allclose(probe.weight[:, task], weight[:, 0], atol=1e-6)
        assert torch.allclose(probe.bias[task], bias[0], atol=1e-6)
    assert probe.unconverged == ()


@pytest.mark.parametrize("l2", [0.02, 0.5])
def test_the_multinomial_probe_reaches_its_optimum(l2):
    x, _, classes = sample()
    probe = logistic_probe(x, classes, x, classes, l2_grid=(l2,), tolerance=1e-14)
    weight, bias = slow_optimum(lambda logits: cross_entropy(logits, classes), standardised(x), 4, l2)
    assert torch.allclose(probe.weight, weight, atol=1e-6)
    # Softmax does not see a common shift of the intercepts.
    assert torch.allclose(probe.bias - probe.bias.mean(), bias - bias.mean(), atol=1e-6)
    assert torch.allclose(probe.probabilities(x).sum(dim=1), torch.ones(len(x), dtype=torch.float64))


def test_the_default_tolerance_leaves_no_more_loss_than_it_says():
    x, labels, _ = sample(samples=400, features=30, missing=0.5)

    def objective(probe):
        z = standardised(x) @ probe.weight + probe.bias
        loss = binary_cross_entropy_with_logits(z, labels.nan_to_num(0.0), reduction="none")
        mean = torch.where(labels.isnan(), 0.0, loss).sum(dim=0) / (~labels.isnan()).sum(dim=0)
        return mean + 1e-3 / 2 * probe.weight.square().sum(dim=0)

    default = objective(logistic_probe(x, labels, x, labels, l2_grid=(1e-3,)))
    best = objective(logistic_probe(x, labels, x, labels, l2_grid=(1e-3,), tolerance=1e-15))
    assert float((default - best).max()) < 1e-6


def test_two_classes_and_one_task_agree():
    x, _, classes = sample()
    two = (classes > 1).long()
    # Two columns share what one column carries, each with half: the penalty of the pair is half as strong.
    multinomial = logistic_probe(x, two, x, two, l2_grid=(0.2,), tolerance=1e-14)
    task = logistic_probe(x, two[:, None].double(), x, two[:, None].double(), l2_grid=(0.1,), tolerance=1e-14)
    assert torch.allclose(multinomial.probabilities(x)[:, 1], task.probabilities(x)[:, 0], atol=1e-6)


def test_tasks_together_equal_tasks_alone():
    x, labels, _ = sample(tasks=5)
    together = logistic_probe(x, labels, x, labels, l2_grid=(0.1, 0.01), per_task=True, tolerance=1e-14)
    for task in range(5):
        column = labels[:, task, None]
        alone = logistic_probe(x, column, x, column, l2_grid=(0.1, 0.01), tolerance=1e-14)
        assert torch.allclose(together.weight[:, task], alone.weight[:, 0], atol=1e-6)


def test_more_tasks_than_one_block_keep_their_places(monkeypatch):
    from crossmod_metrics import probe as module

    x, labels, _ = sample(tasks=7)
    whole = logistic_probe(x, labels, x, labels, tolerance=1e-13)
    monkeypatch.setattr(module, "_TASKS_AT_ONCE", 3)
    cut = logistic_probe(x, labels, x, labels, tolerance=1e-13)
    assert torch.allclose(cut.weight, whole.weight, atol=1e-6)
    assert cut.validation_loss == pytest.approx(whole.validation_loss)


def test_scores_do_not_depend_on_the_units_of_the_features():
    x, labels, _ = sample()
    other = x * torch.logspace(-6, 6, x.shape[1], dtype=torch.float64) - 11
    first = logistic_probe(x, labels, x, labels, l2_grid=(0.1,), tolerance=1e-14).logits(x)
    second = logistic_probe(other, labels, other, labels, l2_grid=(0.1,), tolerance=1e-14).logits(other)
    assert torch.allclose(first, second, atol=1e-5)


def test_the_penalty_with_the_lowest_validation_loss_is_kept():
    x, labels, _ = sample(samples=300, features=40, missing=0.0)
    probe = logistic_probe(x[:60], labels[:60], x[60:], labels[60:])
    best = min(probe.validation_loss, key=probe.validation_loss.get)
    assert probe.l2.tolist() == [best] * 4
    # Sixty samples in forty dimensions overfit: neither end of the grid can be the answer.
    assert min(probe.validation_loss) < best < max(probe.validation_loss)
    # The walk ended one penalty after the best: the weakest of the grid was never fitted.
    assert len(probe.validation_loss) < 6
    assert sorted(probe.validation_loss)[1] == best
    alone = logistic_probe(x[:60], labels[:60], x[60:], labels[60:], l2_grid=(best,))
    found = binary_cross_entropy_with_logits(alone.logits(x[60:]), labels[60:])
    assert probe.validation_loss[best] == pytest.approx(float(found), abs=1e-4)


def test_tasks_of_one_class_get_the_smoothed_prior_and_are_counted():
    x, labels, _ = sample()
    labels[:, 1], labels[:, 2] = 1.0, torch.nan
    probe = logistic_probe(x, labels, x, labels, l2_grid=(0.1,))
    assert probe.constant_tasks == (1, 2)
    assert torch.allclose(probe.probabilities(x)[:, 1], torch.tensor(121 / 122, dtype=torch.float64))
    assert torch.allclose(probe.probabilities(x)[:, 2], torch.tensor(0.5, dtype=torch.float64))
    assert probe.l2[[1, 2]].isnan().all()


def test_a_task_without_validation_labels_takes_the_penalty_of_the_others():
    x, labels, _ = sample()
    held_out = labels.clone()
    held_out[:, 3] = torch.nan
    for per_task in (False, True):
        probe = logistic_probe(x, labels, x, held_out, per_task=per_task)
        assert bool(torch.isfinite(probe.weight).all())
        best = min(probe.validation_loss, key=probe.validation_loss.get)
        assert float(probe.l2[3]) == best


@pytest.mark.parametrize("per_task", [False, True])
def test_separable_rare_and_constant_features_converge(per_task):
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(200, 300, generator=generator)
    x[:, 0] = 0.1  # constant
    labels = torch.zeros(200, 2)
    labels[:, 0] = (x[:, 1] > 0).float()
    labels[:2, 1] = 1.0
    probe = logistic_probe(x[:150], labels[:150], x[150:], labels[150:], per_task=per_task)
    assert probe.unconverged == ()
    assert torch.equal(probe.weight[0], torch.zeros(2, dtype=torch.float64))
    assert roc_auc(probe.logits(x[:150])[:, 0], labels[:150, 0]) == 1.0


def test_the_same_call_gives_the_same_weights():
    x, labels, _ = sample()
    first, second = (logistic_probe(x, labels, x, labels) for _ in range(2))
    assert torch.equal(first.weight, second.weight)


def test_an_early_stop_is_reported():
    x, labels, _ = sample()
    probe = logistic_probe(x, labels, x, labels, l2_grid=(1e-4,), max_steps=1)
    assert probe.unconverged == (0, 1, 2, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_fitted_in_double(dtype):
    x, labels, _ = sample()
    low = x.to(dtype)
    first = logistic_probe(low, labels, low, labels, l2_grid=(0.1,))
    second = logistic_probe(low.double(), labels, low.double(), labels, l2_grid=(0.1,))
    assert torch.equal(first.weight, second.weight)


def test_hostile_input_is_refused_in_words():
    x, labels, classes = sample(samples=20)
    with pytest.raises(ValueError, match="train_features holds 4 NaN"):
        logistic_probe(torch.where(torch.arange(20)[:, None] == 0, torch.nan, x), labels, x, labels)
    with pytest.raises(ValueError, match="train_features 20, train_labels 19"):
        logistic_probe(x, labels[:19], x, labels)
    with pytest.raises(ValueError, match="width 3; the probe was fitted on width 4"):
        logistic_probe(x, labels, x[:, :3], labels)
    with pytest.raises(ValueError, match="not 0, 1 or NaN"):
        logistic_probe(x, labels * 2, x, labels)
    with pytest.raises(ValueError, match="validation_labels spans"):
        logistic_probe(x, classes.clamp_max(1), x, classes)
    with pytest.raises(ValueError, match="all 20 training labels are class 0"):
        logistic_probe(x, classes * 0, x, classes * 0)
    with pytest.raises(ValueError, match="no task has both classes"):
        logistic_probe(x, labels * 0, x, labels)
    with pytest.raises(ValueError, match="l2_grid is"):
        logistic_probe(x, labels, x, labels, l2_grid=(0.0,))
    with pytest.raises(ValueError, match="train_features is empty"):
        logistic_probe(x[:0], labels[:0], x, labels)
    with pytest.raises(ValueError, match="pass integer class indices"):
        logistic_probe(x, classes.double(), x, classes)
