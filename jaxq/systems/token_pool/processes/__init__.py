"""What a token pool is stepped as: its mechanism, and the chain of a small market for exact laws."""
