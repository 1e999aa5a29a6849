"""What the steps of a workflow do outside: one file a kind of step, each over the features that it needs."""
