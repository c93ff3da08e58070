"""Products of matrices, and what is solved with them, on balls."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from flint import arb, arb_mat
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.scalar.basic import Sqrt
from pytensor.tensor.blas.batched import BatchedDot
from pytensor.tensor.blas.gemm import Dot22
from pytensor.tensor.linalg.constructors import BlockDiagonal
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.general import Solve
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.linalg.summary import Det, SLogDet
from pytensor.tensor.math import Dot

from pytensor_stabilize.graphs.exact.arithmetic import (
    absolute,
    add,
    divide,
    multiply,
    sign,
    subtract,
)
from pytensor_stabilize.graphs.exact.balls import (
    ONE,
    STRUCTURAL_ZERO,
    UNDEFINED,
    UNKNOWN,
    ZERO,
    as_array,
    from_array,
    is_unknown,
    object_array,
)
from pytensor_stabilize.graphs.exact.rules import Step, register
from pytensor_stabilize.graphs.exact.scalars import SCALARS, log

Row = list[arb]
square_root = SCALARS[Sqrt]


def to_matrix(array: np.ndarray) -> arb_mat:
    """An object array of two dimensions as Arb's matrix."""
    rows, columns = array.shape
    return arb_mat(rows, columns, array.ravel().tolist())


def to_object_array(matrix: arb_mat) -> np.ndarray:
    """Arb's matrix as an object array."""
    return object_array(matrix.entries(), (matrix.nrows(), matrix.ncols()))


def matrix_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of two matrices; an infinity or an undefined value goes to its own row only."""
    product = to_object_array(to_matrix(a) * to_matrix(b))
    entries = product.ravel().tolist()
    # A sum of nothing but structural zeros is one itself, which Arb's matrix does not know.
    if all(ball.is_finite() and not ball.is_zero() for ball in entries):
        return product
    columns = b.T.tolist()
    return object_array(
        [
            ball if ball.is_finite() and not ball.is_zero() else _scalar_product(a_row, column)
            for (a_row, column), ball in zip(
                ((row, column) for row in a.tolist() for column in columns), entries, strict=True
            )
        ],
        product.shape,
    )


def _scalar_product(a: Row, b: Row) -> arb:
    return reduce(add, map(multiply, a, b), STRUCTURAL_ZERO)


@register(Dot, Dot22)
def dot(op: Op, node: Apply) -> Step:
    """Step of a product of vectors or matrices."""
    ndims = [v.type.ndim for v in node.inputs]

    def step(a: Any, b: Any) -> list[Any]:
        left, right = as_array(a), as_array(b)
        left = left[None, :] if ndims[0] == 1 else left
        right = right[:, None] if ndims[1] == 1 else right
        product = matrix_product(left, right)
        product = product[0] if ndims[0] == 1 else product
        return [from_array(product[..., 0] if ndims[1] == 1 else product)]

    def scalar(a: Any, b: Any) -> list[Any]:
        (row,) = matrix_product(as_array(a)[None, :], as_array(b)[:, None]).tolist()
        return row

    return scalar if ndims == [1, 1] else step


@register(BatchedDot)
def batched_dot(op: Op, node: Apply) -> Step:
    """Step of a stack of products of matrices."""

    def step(a: Any, b: Any) -> list[Any]:
        left, right = as_array(a), as_array(b)
        shape = (len(left), left.shape[1], right.shape[2])
        products = [matrix_product(x, y) for x, y in zip(left, right, strict=True)]
        return [object_array([x for p in products for x in p.ravel().tolist()], shape)]

    return step


def _solving(solve: Callable[..., arb_mat]) -> Callable[..., np.ndarray]:
    """Let a solver that meets a singular ball ask for more precision."""

    def safely(*arrays: np.ndarray) -> np.ndarray:
        if not arrays[-1].size:
            return arrays[-1]
        flat = [ball for array in arrays for ball in array.ravel().tolist()]
        answer = _not_finite(flat)
        if answer is None:
            matrices = [to_matrix(a) for a in arrays]
            try:
                return to_object_array(solve(*matrices))
            except ZeroDivisionError:
                # An exact determinant of 0 stays 0 at any precision.
                answer = UNDEFINED if matrices[0].det().is_zero() else UNKNOWN
        return object_array([answer] * arrays[-1].size, arrays[-1].shape)

    return safely


def _not_finite(balls: Row) -> arb | None:
    """What a matrix operation gives if an element is no number, None if all are."""
    if all(ball.is_finite() for ball in balls):
        return None
    return UNKNOWN if any(is_unknown(ball) for ball in balls) else UNDEFINED


_inverse = _solving(lambda a: a.inv())
_solve = _solving(lambda a, b: a.solve(b))


@register(MatrixInverse)
def matrix_inverse(op: Op, node: Apply) -> Step:
    """Step of an inverse."""
    return lambda a: [_inverse(as_array(a))]


def _solve_for(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _solve(a, b[:, None])[:, 0] if b.ndim == 1 else _solve(a, b)


@register(Solve)
def solve(op: Any, node: Apply) -> Step:
    """Step of a linear system; a promise about the matrix selects what is read of it."""

    def step(a: Any, b: Any) -> list[Any]:
        matrix = as_array(a)
        if getattr(op, "assume_a", "gen") in ("sym", "pos", "her"):
            matrix = _mirrored(matrix, op.lower)
        return [_solve_for(matrix, as_array(b))]

    return step


@register(BlockDiagonal)
def block_diagonal(op: Op, node: Apply) -> Step:
    """Step of matrices along a diagonal, with zeros around them."""

    def step(*values: Any) -> list[Any]:
        blocks = [as_array(value) for value in values]
        ends = np.cumsum([block.shape for block in blocks], axis=0)
        rows, columns = ends[-1].tolist()
        result = object_array([STRUCTURAL_ZERO] * (rows * columns), (rows, columns))
        for block, (row, column) in zip(blocks, ends.tolist(), strict=True):
            result[row - block.shape[0] : row, column - block.shape[1] : column] = block
        return [result]

    return step


def _mirrored(a: np.ndarray, lower: bool) -> np.ndarray:
    rows, columns = np.indices(a.shape)
    return np.where(rows >= columns if lower else rows <= columns, a, a.T)


def _triangle(a: np.ndarray, lower: bool) -> np.ndarray:
    rows, columns = np.indices(a.shape)
    triangle = a.copy()
    triangle[rows < columns if lower else rows > columns] = STRUCTURAL_ZERO
    return triangle


@register(SolveTriangular)
def solve_triangular(op: Any, node: Apply) -> Step:
    """Step of a triangular system by substitution."""

    def step(a: Any, b: Any) -> list[Any]:
        matrix, right = _triangle(as_array(a), op.lower), as_array(b)
        columns = (right[:, None] if right.ndim == 1 else right).T.tolist()
        rows = matrix.tolist()
        solved = [_substitute(rows, column, op.lower, op.unit_diagonal) for column in columns]
        flat = object_array([x for column in solved for x in column], (len(columns), len(rows))).T
        return [flat[:, 0] if right.ndim == 1 else flat]

    return step


def _substitute(rows: list[Row], right: Row, lower: bool, unit: bool) -> Row:
    size = len(rows)
    x: Row = [ZERO] * size
    order = range(size) if lower else range(size - 1, -1, -1)
    for i in order:
        solved = range(i) if lower else range(i + 1, size)
        inner = reduce(add, (multiply(rows[i][j], x[j]) for j in solved), STRUCTURAL_ZERO)
        remainder = subtract(right[i], inner)
        x[i] = remainder if unit else divide(remainder, rows[i][i])
    return x


@register(Cholesky)
def cholesky(op: Any, node: Apply) -> Step:
    """Step of a Cholesky decomposition (Cholesky-Banachiewicz, row by row)."""

    def step(a: Any) -> list[Any]:
        matrix = as_array(a)
        rows = (matrix if op.lower else matrix.T).tolist()
        size = len(rows)
        factor: list[Row] = [[STRUCTURAL_ZERO] * size for _ in range(size)]
        for i in range(size):
            for j in range(i + 1):
                terms = (multiply(factor[i][k], factor[j][k]) for k in range(j))
                rest = subtract(rows[i][j], reduce(add, terms, STRUCTURAL_ZERO))
                factor[i][j] = square_root(rest) if i == j else divide(rest, factor[j][j])
        entries = [x for row in factor for x in row]
        if any(x.is_nan() for x in entries):
            # Not positive definite: there is no factor, not even in part.
            entries = [UNDEFINED] * len(entries)
        lower = object_array(entries, (size, size))
        return [lower if op.lower else lower.T]

    return step


@register(CholeskySolve)
def cholesky_solve(op: Any, node: Apply) -> Step:
    """Step of a system whose matrix is given by its Cholesky factor."""

    def step(factor: Any, b: Any) -> list[Any]:
        triangle = _triangle(as_array(factor), op.lower)
        pair = (triangle, triangle.T) if op.lower else (triangle.T, triangle)
        return [_solve_for(matrix_product(*pair), as_array(b))]

    return step


@register(Det)
def det(op: Op, node: Apply) -> Step:
    """Step of a determinant."""
    return lambda a: [_det(as_array(a))]


def _det(a: np.ndarray) -> arb:
    if not a.size:
        return ONE
    answer = _not_finite(a.ravel().tolist())
    return to_matrix(a).det() if answer is None else answer


@register(SLogDet)
def slogdet(op: Op, node: Apply) -> Step:
    """Step of sign and logarithm of a determinant."""

    def step(a: Any) -> list[Any]:
        value = _det(as_array(a))
        return [sign(value), log(absolute(value))]

    return step
