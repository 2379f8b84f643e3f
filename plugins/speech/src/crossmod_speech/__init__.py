"""Speech and text for crossmod: readers, front ends, encoders, evaluations and recipes."""
