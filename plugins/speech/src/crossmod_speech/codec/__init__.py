"""DistilCodec: recordings to one code a frame and back, learned in two steps."""
