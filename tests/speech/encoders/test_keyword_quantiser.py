"""Acceptance check 2 of SpeechCLIP: quantised vectors are embeddings, with the gradient of a softmax."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize
from torch.testing import assert_close

from crossmod_speech.encoders.keyword_quantiser import KeywordNorm, quantised_keywords

ALLOWED = torch.tensor([False, True, True, False, True, True])


def test_the_forward_gives_existing_embeddings() -> None:
    vectors, embeddings = torch.randn(50, 8, 4), torch.randn(6, 4)
    found = quantised_keywords(vectors.requires_grad_(), embeddings, ALLOWED)
    assert torch.equal(found.values, embeddings[found.tokens])
    cosine = (normalize(vectors, dim=-1) @ normalize(embeddings, dim=-1).t()).masked_fill(~ALLOWED, -2)
    assert torch.equal(found.tokens, cosine.argmax(-1))


def test_special_tokens_are_never_chosen_even_by_their_own_embeddings() -> None:
    embeddings = torch.randn(6, 4)
    found = quantised_keywords(embeddings.expand(3, -1, -1), embeddings, ALLOWED)
    assert bool(ALLOWED[found.tokens].all())
    assert found.tokens[:, ALLOWED].tolist() == [[1, 2, 4, 5]] * 3


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_gradient_is_that_of_the_softmax(temperature: float) -> None:
    vectors = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    embeddings = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn(2, 3, 4, dtype=torch.float64)
    (quantised_keywords(vectors, embeddings, ALLOWED, temperature).values * wanted).sum().backward()
    hard = torch.zeros(2, 3, 6, dtype=torch.float64)
    found = quantised_keywords(vectors, embeddings, ALLOWED, temperature)
    hard.scatter_(-1, found.tokens[..., None], 1.0)
    other = vectors.detach().requires_grad_()
    cosine = normalize(other, dim=-1) @ normalize(embeddings.detach(), dim=-1).t()
    soft = (cosine / temperature).masked_fill(~ALLOWED, -torch.inf).softmax(-1)
    straight = hard + soft - soft.detach()
    (straight @ embeddings.detach() * wanted).sum().backward()
    assert_close(vectors.grad, other.grad)


def test_finite_differences_of_the_soft_path() -> None:
    embeddings = torch.randn(6, 4, dtype=torch.float64)

    def soft(vectors: torch.Tensor) -> torch.Tensor:
        found = quantised_keywords(vectors, embeddings, ALLOWED, 0.7)
        # What is added to the embeddings is zero: the mean behind it is what has the gradient.
        cosine = normalize(vectors, dim=-1) @ normalize(embeddings, dim=-1).t()
        mean = (cosine / 0.7).masked_fill(~ALLOWED, -torch.inf).softmax(-1) @ embeddings
        return torch.stack([found.values - found.values.detach(), mean])

    vectors = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    straight, mean = soft(vectors)
    ours = torch.autograd.grad(straight.sum(), vectors, retain_graph=True)[0]
    assert_close(ours, torch.autograd.grad(mean.sum(), vectors)[0])
    assert torch.autograd.gradcheck(lambda x: soft(x)[1], (vectors,))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperatures_that_cannot_be_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature above 0"):
        quantised_keywords(torch.randn(1, 2, 4), torch.randn(6, 4), ALLOWED, temperature)
    with pytest.raises(ValueError, match="one allowed token"):
        quantised_keywords(torch.randn(1, 2, 4), torch.randn(6, 4), torch.zeros(6, dtype=torch.bool))


def test_no_utterance_and_vectors_of_length_zero() -> None:
    embeddings = torch.randn(6, 4)
    assert quantised_keywords(torch.empty(0, 2, 4), embeddings, ALLOWED).values.shape == (0, 2, 4)
    zeros = torch.zeros(1, 2, 4, requires_grad=True)
    quantised_keywords(zeros, embeddings, ALLOWED).values.sum().backward()
    assert bool(torch.isfinite(zeros.grad).all())


def test_the_norm_starts_where_the_embeddings_lie() -> None:
    embeddings = 3 + 0.2 * torch.randn(500, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    norm = KeywordNorm(2, 4)
    normed = norm(torch.randn(4000, 2, 4) * 9 - 5, embeddings)
    for keyword in range(2):
        assert_close(normed[:, keyword].mean(0), embeddings.mean(0), atol=1e-3, rtol=1e-3)
        assert_close(normed[:, keyword].std(0), embeddings.std(0), atol=1e-3, rtol=1e-2)
    # It starts once: what was learned meanwhile stays.
    with torch.no_grad():
        norm.norm.bias.add_(1.0)
    kept = norm.norm.bias.clone()
    norm(torch.randn(5, 2, 4), embeddings)
    assert torch.equal(norm.norm.bias, kept)
    restored = KeywordNorm(2, 4)
    restored.load_state_dict(norm.state_dict())
    restored.eval()(torch.randn(5, 2, 4), torch.randn(500, 4))
    assert torch.equal(restored.norm.bias, kept)
    with pytest.raises(ValueError, match="two utterances or more"):
        norm(torch.randn(1, 2, 4), embeddings)
