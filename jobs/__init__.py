"""The wiring: what the console script `lambda-learner` runs."""
