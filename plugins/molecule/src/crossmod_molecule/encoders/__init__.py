"""The molecule towers, and the settings that describe them."""
