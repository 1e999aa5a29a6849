"""What `aragora doctor` looks at: the machine, the configuration, and what should be reachable."""
