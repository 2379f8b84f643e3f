"""Draws a molecule for the run report."""

from __future__ import annotations

from typing import Any

from crossmod_molecule.structures import UnusableStructure, parse_smiles

WIDTH_PIXELS, HEIGHT_PIXELS = 220, 160


def draw_molecule(smiles: Any) -> str | None:
    """The structure as an SVG text; None where the text is no structure."""
    from rdkit.Chem.Draw import rdMolDraw2D

    try:
        molecule = parse_smiles(smiles)
    except UnusableStructure:
        return None
    canvas: Any = rdMolDraw2D.MolDraw2DSVG(WIDTH_PIXELS, HEIGHT_PIXELS)
    canvas.drawOptions().clearBackground = False
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    return str(canvas.GetDrawingText())
