"""What `aragora node` and `aragora cluster` do: a node's life, and the service on all nodes."""
