"""SpeechT5 (arXiv:2110.07205): pre- and post-nets of speech and text around one shared encoder-decoder."""
