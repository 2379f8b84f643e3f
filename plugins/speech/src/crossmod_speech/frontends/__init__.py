"""What encoders read of a waveform: log-mel features, filter banks, or the waveform itself."""
