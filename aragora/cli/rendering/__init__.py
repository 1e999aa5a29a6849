"""What the commands print, with rich: the events of a debate and its decision, listings, and safe text."""
