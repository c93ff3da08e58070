"""What rules make, spelled as PyTensor's canonical form would have it."""

import numpy as np
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.interning import same_up_to_order
from pytensor_stabilize.rewrites.spelling import spelled, spelled_clients

a, b, c = pt.dvectors("a", "b", "c")
INPUTS = [a, b, c]

# As a rule may have made it, and as it is spelled.
SPELLINGS = {
    "-(a * b)": (-(a * b), pt.mul(-1.0, a, b)),
    "-(2 * a)": (-(2.0 * a), pt.mul(-2.0, a)),
    "-(-1 * a)": (-(-1.0 * a), a),
    "-(-a * b)": (-pt.mul(-1.0, a, b), a * b),
    "-(2 * a / b)": (-(2.0 * a / b), pt.mul(-2.0, a) / b),
    "2 * (3 * a)": (2.0 * (3.0 * a), pt.mul(6.0, a)),
    "a * (b * c)": (a * (b * c), pt.mul(a, b, c)),
    "a * (2 * b)": (a * (2.0 * b), pt.mul(2.0, a, b)),
    "2 * (3 / a)": (2.0 * (3.0 / a), 6.0 / a),
    "a / (2 * b)": (a / (2.0 * b), pt.mul(0.5, a) / b),
    "a - 1": (a - 1.0, pt.add(-1.0, a)),
    "|-2 a|": (pt.abs(-2.0 * a), pt.mul(2.0, pt.abs(a))),
    "sum over the only axis": (a.sum(axis=0), a.sum()),
    "inside": (pt.exp(-(a * b)), pt.exp(pt.mul(-1.0, a, b))),
}
LEFT = {
    "-(a / b)": -(a / b),
    "a * (b / c)": a * (b / c),
    "a + (b + c)": a + (b + c),
    "a - b": a - b,
    "exp(2 a) overflows sooner": pt.exp(a) * (b * pt.exp(a)),
    "a number that is no float": 1e200 * (1e200 * a),
    "unsigned": -(pt.vector("u", dtype="uint8") * np.uint8(3)),
}


def new_in(variable):
    """What `spelled` makes of a variable that a graph does not have."""
    return spelled(variable, FunctionGraph(INPUTS, [a + b + c], clone=False))


@pytest.mark.parametrize("case", SPELLINGS)
def test_it_is_spelled_canonically(case):
    made, wanted = SPELLINGS[case]
    result = new_in(made)
    assert same_up_to_order(result, wanted)
    assert result.type == made.type
    assert new_in(result) is result


def test_elements_are_those_at_their_indices():
    """An index is a constant, and no tensor."""
    assert same_up_to_order(a[0] + a[1], a[1] + a[0])
    assert not same_up_to_order(a[0] + a[1], a[0] + a[2])
    assert not same_up_to_order(pt.exp(a[0]), pt.exp(a[1]))


@pytest.mark.parametrize("case", LEFT)
def test_it_is_left(case):
    assert new_in(LEFT[case]) is LEFT[case]


@pytest.mark.parametrize(
    ("client", "made", "wanted"),
    [
        (lambda v: -v, a * b, pt.mul(-1.0, a, b)),
        (lambda v: pt.mul(-1.0, v), 4.0 * a, pt.mul(-4.0, a)),
        (lambda v: c * v, 4.0 * a, pt.mul(4.0, c, a)),
        (lambda v: -v, a / b, None),
        (lambda v: c + v, a * b, None),
    ],
)
def test_so_is_what_uses_it(client, made, wanted):
    old = pt.tanh(a)
    graph = FunctionGraph(INPUTS, [client(old)], clone=False)
    found = dict(spelled_clients(old, made, graph))
    if wanted is None:
        assert not found
    else:
        assert list(found) == graph.outputs
        assert same_up_to_order(found[graph.outputs[0]], wanted)


def test_what_was_replaced_does_not_come_back():
    old = pt.tanh(a)
    graph = FunctionGraph(INPUTS, [pt.mul(old, pt.mul(-1.0, old))], clone=False)
    graph.replace_all([(old, made := 4.0 * a), *spelled_clients(old, made, graph)])
    assert old not in graph.variables


def test_what_the_graph_has_is_not_made_anew():
    product = a * b
    graph = FunctionGraph(INPUTS, [product, pt.exp(product), c.sum(axis=0)], clone=False)
    assert spelled(pt.sinh(product), graph).owner.inputs[0] is product
    assert spelled(graph.outputs[2], graph) is graph.outputs[2]


def trees():
    leaves = st.sampled_from([a, b, c, *map(pt.constant, (1.0, -1.0, 2.0, -0.25, 3.0))])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda f, v: f(v), st.sampled_from([pt.neg, pt.abs]), inner),
            st.builds(
                lambda f, v, w: f(v, w),
                st.sampled_from([pt.mul, pt.sub, pt.true_div, pt.add]),
                *(inner, inner),
            ),
        ),
        max_leaves=8,
    )


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(trees())
def test_the_value_stays_and_a_second_look_finds_nothing(variable):
    result = new_in(variable)
    assert result.type == variable.type
    assert new_in(result) is result
    at = dict(zip(INPUTS, np.array([[0.3, -2.0], [1.7, 5.0], [-1.1, 0.6]]), strict=True))
    with np.errstate(all="ignore"):
        given_, found = (
            v.eval(at, mode="FAST_COMPILE", on_unused_input="ignore") for v in (variable, result)
        )
    np.testing.assert_allclose(found, given_, rtol=1e-14)
