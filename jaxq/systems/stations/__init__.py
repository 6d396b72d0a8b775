"""Single stations: M/M/c/K+M, M/G/1, GI/G/1, GI/G/c, M/G/c/c, M/G/infinity."""
