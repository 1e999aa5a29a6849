"""How fast, how soon and how safely webhooks go out: see `benchmarks.webhooks.__main__`."""
