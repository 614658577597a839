"""MovieLens-100K under several ways to keep per-entity models fresh: the rows T1-T8 of the specification."""

from lambda_learner.evaluation.movielens.data import Ratings, as_arrays
from lambda_learner.evaluation.movielens.game import batch_game
from lambda_learner.evaluation.movielens.protocols import Protocol, Stream, progressive_scores
from lambda_learner.evaluation.movielens.rows import ROWS, Row, measure, steps_of

__all__ = [
    "ROWS",
    "Protocol",
    "Ratings",
    "Row",
    "Stream",
    "as_arrays",
    "batch_game",
    "measure",
    "progressive_scores",
    "steps_of",
]
