"""Tasks for agents: given out by capability, held under a lease, ended once."""
