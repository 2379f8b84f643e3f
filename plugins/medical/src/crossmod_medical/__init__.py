"""CT volumes, radiology images and reports for crossmod: readers, encoders, evaluations and recipes."""
