"""What the nodes of one installation must have in common, and how a node shows that it has it. Knows no Ray."""
