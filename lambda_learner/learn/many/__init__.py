"""The Bayesian update over many entities in one call: flat arrays in and out, compiled where numba is installed."""

from lambda_learner.learn.many.arrays import Beliefs, Records
from lambda_learner.learn.many.compiled import IS_COMPILED
from lambda_learner.learn.many.update import Updates, compile_kernel, update_many

__all__ = ["IS_COMPILED", "Beliefs", "Records", "Updates", "compile_kernel", "update_many"]
