"""Benchmarks of the engines on this machine: ratios from one run, the variants taking turns."""
