"""What answers cost."""
