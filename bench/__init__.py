"""Benchmarks: how fast and how good, with fixed inputs."""
