"""Numba kernels: flat arrays in, caller-allocated arrays out.

Never: policy, checks, I/O, logging. Randomness is a hash of its counters, so that no result depends
on the number of threads. Each kernel has a slow twin in `tests/reference/`.
"""
