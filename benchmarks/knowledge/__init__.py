"""How well and how fast knowledge is found: see `benchmarks.knowledge.__main__`."""
