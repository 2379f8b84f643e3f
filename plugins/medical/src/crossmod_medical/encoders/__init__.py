"""The towers of this domain, and the settings that name them."""
