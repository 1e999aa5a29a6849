"""The debate itself: its words, its rules as a pure machine, and the engine that drives it over ports."""
