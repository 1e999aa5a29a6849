"""How batches travel between actors and replicas."""
