"""Parallel queues with heterogeneous servers (Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497)."""
