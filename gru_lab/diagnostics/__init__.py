"""What a trained or fresh cell does to gradients and memories: pure functions of arrays, one file each."""
