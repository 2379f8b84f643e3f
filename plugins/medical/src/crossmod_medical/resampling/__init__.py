"""From the voxels of a scan to those of a grid."""
