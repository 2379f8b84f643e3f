"""One objective against another in the same run."""
