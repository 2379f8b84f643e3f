"""Files of volumes and images: where their voxels lie in the patient, and what they hold."""
