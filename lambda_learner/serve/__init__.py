"""Serving: ranks candidates with the published coefficients."""

from lambda_learner.serve.ranker import Ranked, Ranker

__all__ = ["Ranked", "Ranker"]
