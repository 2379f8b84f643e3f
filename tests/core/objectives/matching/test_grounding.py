"""The box losses do what they are for: a square is found by the word for its colour (HiVG's toy)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossmod.objectives.matching.boxes import box_loss, box_mask, corners, iou
from crossmod.objectives.matching.focal import dice_loss, sigmoid_focal_loss

GRID, COLOURS = 6, 3


def _pictures(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of one square a colour, the colour asked for, and the box of that square."""
    pictures = torch.zeros(count, GRID, GRID, COLOURS)
    boxes = torch.zeros(count, COLOURS, 4)
    for picture, box in zip(pictures, boxes, strict=True):
        # Squares of two patches on a grid of three by three, so that none hides another.
        for colour, cell in enumerate(torch.randperm(9, generator=generator)[:COLOURS].tolist()):
            row, column = 2 * (cell // 3), 2 * (cell % 3)
            picture[row : row + 2, column : column + 2, colour] = 1
            box[colour] = torch.tensor([column + 1, row + 1, 2, 2]) / GRID
    asked = torch.randint(0, COLOURS, (count,), generator=generator)
    return pictures.flatten(1, 2), asked, boxes[torch.arange(count), asked]


class Finder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Linear(COLOURS, 32)
        self.place = nn.Parameter(torch.randn(GRID * GRID, 32) * 0.3)
        self.word = nn.Embedding(COLOURS, 32)
        self.box = nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 4))

    def forward(self, pictures: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.einsum("bpd,bd->bp", self.look(pictures), self.word(asked))
        return torch.sigmoid(self.box(scores.softmax(1) @ self.place)), scores


def test_a_square_is_found_by_the_word_for_its_colour() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    model = Finder()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        pictures, asked, boxes = _pictures(32, generator)
        found, scores = model(pictures, asked)
        # The grid's axes are x and y, the picture's rows and columns.
        inside = box_mask(boxes, (GRID, GRID)).view(-1, GRID, GRID).transpose(1, 2).flatten(1).float()
        assert (inside.sum(1) == 4).all()
        loss = box_loss(found, boxes).loss + 20 * sigmoid_focal_loss(scores, inside) + 2 * dice_loss(scores, inside)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pictures, asked, boxes = _pictures(200, generator)
    with torch.no_grad():
        found, scores = model(pictures, asked)
    assert float((iou(corners(found), corners(boxes)) > 0.5).float().mean()) > 0.9
    inside = box_mask(boxes, (GRID, GRID)).view(-1, GRID, GRID).transpose(1, 2).flatten(1)
    assert float(((scores > 0) == inside).float().mean()) > 0.95
