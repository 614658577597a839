"""`newton.update` for many entities: the compiled loop, and NumPy for what it leaves or where it is absent."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from lambda_learner.learn.losses import Kind
from lambda_learner.learn.many.arrays import (
    MISFITS,
    Beliefs,
    IntArray,
    Records,
    as_beliefs,
    as_records,
    dense,
    first_misfit,
    integers,
)
from lambda_learner.learn.many.compiled import IS_COMPILED
from lambda_learner.learn.many.kernel import learn_all
from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior, forget
from lambda_learner.learn.state import CoefficientPrior

__all__ = ["Form", "Updates", "compile_kernel", "update_many"]

Form = Literal["diagonal", "full"]


class Updates(NamedTuple):
    """The beliefs after the records, and for each record its margin before any forgetting and learning.

    losses: (E,), the objective of `newton.update` at the new mean. steps: (E,), Newton steps, 0 without records.
    sound: (E,), False for an entity whose numbers are not finite any more: its belief is left as it was.
    """

    beliefs: Beliefs
    margins: FloatArray
    losses: FloatArray
    steps: IntArray
    sound: npt.NDArray[np.bool_]


def update_many(  # noqa: PLR0913 - the arrays of a batch and how it is learned
    records: Records,
    firsts: IntArray,
    beliefs: Beliefs,
    *,
    kind: Kind,
    form: Form = "diagonal",
    kept: FloatArray | float = 1.0,
    prior: CoefficientPrior | None = None,
    noise_variance: float = 1.0,
) -> Updates:
    """Forget and learn for each entity e its records `firsts[e]` to `firsts[e + 1]`; nothing given is changed.

    `kept` is the share δ of evidence that remains (`posterior.forget`), for all or of shape (E,); below 1 it needs
    the `prior` to go back to. `noise_variance` divides the weights of the linear loss. The columns of a record
    count from its entity's first coefficient; cells of one column add up. Logistic labels are -1 or +1, weights at
    least 0, full precisions symmetric: that is not looked at.

    The GIL is free meanwhile, so two threads with half the entities each take half the time. Without numba the
    results are the same to 1e-8. ValueError when the arrays' lengths do not fit each other, or an argument is none of
    those that there are.
    """
    records, firsts, after = as_records(records), integers(firsts), as_beliefs(beliefs)
    entities = len(firsts) - 1
    shares = np.full(entities, kept, dtype=np.float64)
    _check(kind, form, shares, noise_variance)
    blocks = after.places if form == "diagonal" else _blocks(after.places)
    if prior is None and (shares != 1.0).any():
        message = "kept below 1 needs a prior: what is forgotten must go back to something"
        raise ValueError(message)
    if kind == "linear" and noise_variance != 1.0:
        records = records._replace(weights=records.weights / noise_variance)
    margins, losses, steps = np.zeros(len(records.labels)), np.zeros(entities), np.full(entities, -1)
    updates = Updates(after, margins, losses, steps, np.ones(entities, dtype=np.bool_))
    known = CoefficientPrior(*map(float, prior or CoefficientPrior()))  # numba compiles anew for an integer
    if IS_COMPILED:
        misfit = learn_all(
            kind == "logistic", form == "full", firsts, records, after.places, blocks, shares, known,
            after.mean, after.precision, margins, losses, steps,
        )  # fmt: skip
    else:
        misfit = first_misfit(firsts, records, after.places, blocks, len(after.mean), len(after.precision))
    if misfit:
        raise ValueError(MISFITS[misfit])
    for e in np.flatnonzero(steps < 0).tolist():
        _learn_one(e, records, firsts, updates, blocks=blocks, kept=float(shares[e]), prior=known, kind=kind, form=form)
    return updates


def _check(kind: str, form: str, shares: FloatArray, noise_variance: float) -> None:
    if kind not in get_args(Kind):
        message = f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}"
    elif form not in get_args(Form):
        message = f"form must be one of {', '.join(get_args(Form))}, got {form!r}"
    elif not ((shares >= 0.0) & (shares <= 1.0)).all():
        message = f"kept must be from 0 to 1, got {shares.tolist() if len(shares) > 1 else shares[0]}"
    elif not 0.0 < noise_variance < np.inf:
        message = f"noise_variance must be a number > 0, got {noise_variance}"
    else:
        return
    raise ValueError(message)


def _blocks(places: IntArray) -> IntArray:
    """Where each entity's full precision begins, and the end."""
    sizes = np.diff(places)
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes * sizes)))


def compile_kernel() -> float:
    """Compile the loop, or load it from numba's cache; the seconds that took (0 without numba).

    Some 10 s the first time on a machine, then 0.3 s in each process.
    """
    started = time.perf_counter()
    if IS_COMPILED:
        index, one = np.array([0, 1], dtype=np.int64), np.ones(1)
        records = Records(index, np.zeros(1, dtype=np.int64), one, one, one, one)
        update_many(records, index, Beliefs(index, one, one), kind="logistic")
    return time.perf_counter() - started


def _learn_one(  # noqa: PLR0913
    e: int,
    records: Records,
    firsts: IntArray,
    updates: Updates,
    *,
    blocks: IntArray,
    kept: float,
    prior: CoefficientPrior,
    kind: Kind,
    form: Form,
) -> None:
    """One entity by `newton.update`, into `updates`."""
    after = updates.beliefs
    place, block = slice(*after.places[e : e + 2]), slice(*blocks[e : e + 2])
    mean = after.mean[place].copy()
    d = len(mean)
    precision = after.precision[block].copy()
    own = slice(*firsts[e : e + 2])
    x = dense(records, own.start, own.stop, d)
    with np.errstate(all="ignore"):
        updates.margins[own] = x @ mean + records.offsets[own]
        believed = GaussianPosterior(mean, precision if form == "diagonal" else precision.reshape(d, d))
        try:
            forgotten = forget(believed, kept, prior.posterior(d))
            learned = update(x, records.labels[own], records.weights[own], records.offsets[own], forgotten, kind=kind)
        except np.linalg.LinAlgError:
            updates.sound[e] = False
            return
    posterior = learned.posterior
    updates.losses[e], updates.steps[e] = learned.loss, learned.iterations
    updates.sound[e] = np.isfinite(posterior.mean).all() and np.isfinite(posterior.precision).all()
    if updates.sound[e]:
        after.mean[place], after.precision[block] = posterior.mean, posterior.precision.ravel()
