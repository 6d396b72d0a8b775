"""Dispatching to parallel queues (Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497)."""
