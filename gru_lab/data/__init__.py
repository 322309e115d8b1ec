"""Data sets as arrays in memory; knows nothing of training."""
