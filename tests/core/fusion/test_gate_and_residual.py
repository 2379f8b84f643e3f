import pytest
import torch

from crossmod.fusion.gate import Gate
from crossmod.fusion.residual import FeedForward, Residual


def test_each_gate_is_its_formula():
    update = torch.randn(2, 3, 4, dtype=torch.float64)
    assert torch.equal(Gate("none", 4)(update), update)
    for kind, factor in (
        ("tanh", torch.tensor(0.5).tanh()),
        ("scalar", torch.tensor(0.5)),
        ("channel", torch.full((4,), 0.5)),
    ):
        gate = Gate(kind, 4, 0.5)
        torch.testing.assert_close(gate(update), update * factor)
    assert Gate("channel", 4).alpha.shape == (4,) and Gate("scalar", 4).alpha.shape == ()


@pytest.mark.parametrize("kind", ["tanh", "scalar", "channel"])
def test_a_gate_at_zero_lets_gradient_reach_only_itself(kind):
    gate, update = Gate(kind, 4), torch.randn(3, 4, requires_grad=True)
    gate(update).sum().backward()
    assert not update.grad.any() and gate.alpha.grad.abs().min() > 0


def test_a_gate_keeps_half_precision():
    assert Gate("channel", 4)(torch.zeros(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_both_places_of_the_norm():
    tokens = torch.randn(2, 3, 4)
    pre, post = Residual(4, norm="pre"), Residual(4, norm="post")
    torch.testing.assert_close(pre(tokens, torch.sin), tokens + pre.norm(tokens).sin())
    torch.testing.assert_close(post(tokens, torch.sin), post.norm(tokens + tokens.sin()))
    for residual in (pre, post):
        assert torch.equal(residual.without(tokens), residual(tokens, torch.zeros_like))


def test_options_that_break_a_promise_are_refused():
    with pytest.raises(ValueError, match="no identity under a post-norm"):
        Residual(4, norm="post", gate="tanh")
    with pytest.raises(ValueError, match="'middle'"):
        Residual(4, norm="middle")
    with pytest.raises(ValueError, match="'sigmoid'"):
        Gate("sigmoid", 4)


def test_feed_forward_changes_width():
    assert FeedForward(4, 2.0, 6)(torch.zeros(1, 4)).shape == (1, 6)
