"""What debates taught, kept with the way back to where it came from, and found again."""
