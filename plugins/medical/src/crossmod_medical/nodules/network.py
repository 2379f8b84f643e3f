"""The comparator: a three-dimensional residual network trained from scratch on one label and nothing else."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.batch import Inputs
from crossmod_medical.encoders.augmentation_settings import AugmentedVolumes
from crossmod_medical.encoders.network_settings import VolumeResNet
from crossmod_medical.nodules.settings import SupervisedSettings
from crossmod_medical.processors import VolumeProcessor
from crossmod_metrics import roc_auc


class Examples(NamedTuple):
    """Volumes and their label.

    Shape:
        truth: [items] int64; 0 or 1.
    """

    inputs: Inputs
    truth: Int64[Tensor, "items"]


class Trained(NamedTuple):
    """The network of the best validation score, and the step it was reached at."""

    network: nn.Module
    step: int
    validation_auroc: float


class SupervisedNetwork(nn.Module):
    """A tower and one logit.

    Args:
        processor: What made its volumes.
        base: Channels of the first stage.
    """

    def __init__(self, processor: VolumeProcessor, base: int) -> None:
        super().__init__()
        settings = AugmentedVolumes(tower=VolumeResNet(grid=processor.grid, base=base, stem_stride=1))
        self.tower = settings.build(processor)
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(self.tower.width, 1)

    def forward(self, inputs: Inputs) -> Float[Tensor, "items"]:
        """The logit of class 1."""
        logits: Tensor = self.head(self.dropout(self.tower(inputs).pooled))[:, 0]
        return logits


def train_network(
    train: Examples, validation: Examples, processor: VolumeProcessor, settings: SupervisedSettings
) -> Trained:
    """Train on one part, keep the weights that score best on the other."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SupervisedNetwork(processor, settings.base)
        optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, settings.steps + 1, pct_start=0.1)
        best, weights, best_step = -1.0, copy.deepcopy(network.state_dict()), 0
        order = torch.empty(0, dtype=torch.int64)
        for step in range(1, settings.steps + 1):
            if len(order) < min(settings.batch_size, len(train.truth)):
                order = torch.randperm(len(train.truth))
            rows, order = order[: settings.batch_size], order[settings.batch_size :]
            network.train()
            optimiser.zero_grad()
            logits = network(train.inputs.take(rows))
            loss = functional.binary_cross_entropy_with_logits(logits, train.truth[rows].float())
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            if step % settings.check_every == 0 or step == settings.steps:
                score = roc_auc(predict(network, validation.inputs), validation.truth)
                if score > best:
                    best, weights, best_step = score, copy.deepcopy(network.state_dict()), step
    network.load_state_dict(weights)
    return Trained(network.eval(), best_step, best)


@torch.no_grad()
def predict(network: nn.Module, inputs: Inputs, batch_size: int = 128) -> Float[Tensor, "items"]:
    """Logits in evaluation mode."""
    network.eval()
    parts = [network(inputs.take(index)) for index in torch.split(torch.arange(len(inputs)), batch_size)]
    return torch.cat(parts)
