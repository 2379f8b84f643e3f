"""Contrastive losses without a B x B matrix in memory, with one plain reference each."""
