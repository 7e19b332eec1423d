"""Benchmarks that run programs of bench/ beside their limits and peers; bench/run.py lists them."""
