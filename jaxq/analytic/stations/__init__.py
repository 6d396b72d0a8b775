"""Classical stations: Erlang, M/M/c/K+M, GI/G/c, GI/G/1, M/G/infinity."""
