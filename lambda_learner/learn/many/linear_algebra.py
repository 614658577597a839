"""Small dense linear algebra for the compiled loop: at these sizes a call of LAPACK costs more than the work."""

from __future__ import annotations

from math import sqrt

import numpy as np

from lambda_learner.learn.many.compiled import compiled
from lambda_learner.learn.posterior import FloatArray

__all__ = ["add_information", "dot", "factorise", "mirror", "pulled", "solve", "solve_back", "solve_forward", "times"]


@compiled
def dot(a: FloatArray, b: FloatArray) -> float:
    """Σ aᵢbᵢ."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@compiled
def _dots(shared: FloatArray, one: FloatArray, other: FloatArray, n: int) -> tuple[float, float]:
    """The products of the first n numbers of two vectors with those of a third, which is read once for both."""
    a = b = 0.0
    for k in range(n):
        a += shared[k] * one[k]
        b += shared[k] * other[k]
    return a, b


@compiled
def times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """The product of a matrix and a vector."""
    product = np.empty(len(matrix))
    for i in range(len(matrix)):
        product[i] = dot(matrix[i], vector)
    return product


@compiled
def factorise(matrix: FloatArray) -> bool:
    """Cholesky's factor in the lower triangle, in place; False when the matrix is not positive definite.

    Two rows at a time, as each row above is then read once for both: a third faster at 200 rows.
    """
    n = len(matrix)
    for i in range(0, n - 1, 2):
        row, other = matrix[i], matrix[i + 1]
        for j in range(i):
            above = matrix[j]
            a, b = _dots(above, row, other, j)
            row[j] = (row[j] - a) / above[j]
            other[j] = (other[j] - b) / above[j]
        if not (_close(matrix, i, i) and _close(matrix, i + 1, i)):
            return False
    return n % 2 == 0 or _close(matrix, n - 1, 0)


@compiled
def _close(matrix: FloatArray, i: int, done: int) -> bool:
    """Finish row i of the factor from column `done` on."""
    row = matrix[i]
    for j in range(done, i):
        row[j] = (row[j] - dot(matrix[j, :j], row[:j])) / matrix[j, j]
    pivot = row[i] - dot(row[:i], row[:i])
    if not pivot > 0.0:  # NaN is not
        return False
    row[i] = sqrt(pivot)
    return True


@compiled
def solve_forward(factor: FloatArray, rights: FloatArray) -> None:
    """For each row of `rights` the solution of factor · x = row, in place; two at a time, as in `factorise`."""
    n = len(rights)
    for first in range(0, n - 1, 2):
        one, other = rights[first], rights[first + 1]
        for i in range(len(factor)):
            row = factor[i]
            a, b = _dots(row, one, other, i)
            one[i] = (one[i] - a) / row[i]
            other[i] = (other[i] - b) / row[i]
    if n % 2:
        last = rights[n - 1]
        for i in range(len(factor)):
            last[i] = (last[i] - dot(factor[i, :i], last[:i])) / factor[i, i]


@compiled
def solve(factor: FloatArray, right: FloatArray) -> None:
    """The solution of factor · factorᵀ · x = right, in place."""
    solve_forward(factor, right.reshape(1, len(right)))
    solve_back(factor, right)


@compiled
def solve_back(factor: FloatArray, right: FloatArray) -> None:
    """The solution of factorᵀ · x = right, in place."""
    for i in range(len(right) - 1, -1, -1):
        right[i] /= factor[i, i]
        for j in range(i):
            right[j] -= factor[i, j] * right[i]


@compiled
def add_information(matrix: FloatArray, x: FloatArray, information: FloatArray) -> None:
    """Add Σ information xᵢxᵢᵀ to the lower triangle."""
    for i in range(len(x)):
        row = x[i]
        for j in range(len(row)):
            scaled = information[i] * row[j]
            if scaled != 0.0:
                for k in range(j + 1):
                    matrix[j, k] += scaled * row[k]


@compiled
def pulled(x: FloatArray, pull: FloatArray) -> FloatArray:
    """Xᵀ pull."""
    total = np.zeros(x.shape[1])
    for i in range(len(pull)):
        for j in range(len(total)):
            total[j] += pull[i] * x[i, j]
    return total


@compiled
def mirror(matrix: FloatArray) -> None:
    """Copy the lower triangle to the upper."""
    for i in range(len(matrix)):
        for j in range(i):
            matrix[j, i] = matrix[i, j]
