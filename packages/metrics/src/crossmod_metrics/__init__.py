"""Retrieval, zero-shot, probe and calibration metrics as pure functions of tensors."""
