"""What can be set from outside, and the defaults of a server. Import what you need from the modules."""
