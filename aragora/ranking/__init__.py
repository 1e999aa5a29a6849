"""How well agents fare: Elo ratings from votes, calibration from known outcomes."""
