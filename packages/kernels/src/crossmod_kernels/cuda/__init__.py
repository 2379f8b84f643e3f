"""The Triton path: imported only when a tensor on CUDA, or the caller, asks for it."""
