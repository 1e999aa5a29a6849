"""What can be set from outside, and the constants that cannot. Import what you need from the modules."""
