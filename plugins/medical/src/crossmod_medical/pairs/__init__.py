"""An image and a text read together: the pairs themselves, the tower that fuses them, and its objectives."""
