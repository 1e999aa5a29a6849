"""Where workflows are kept."""
