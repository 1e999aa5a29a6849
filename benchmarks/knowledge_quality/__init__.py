"""How well knowledge is found: see `benchmarks.knowledge_quality.__main__`."""
