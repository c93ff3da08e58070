"""Find the critical roots that a sum hides, exactly, and take them out as companions."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from pytensor_stabilize.rewrites.algebra.companions import powers
from pytensor_stabilize.rewrites.algebra.families import (
    Family,
    Member,
    Residue,
    Symbol,
    families,
    members,
    without,
)
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Form,
    Generator,
    Monomial,
    Term,
    common,
    content,
    divided,
    generators,
    merged,
    monomial,
    multiplied,
    power_of,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.algebra.homogeneous import LOSS, cancels, homogeneous, reduced
from pytensor_stabilize.rewrites.algebra.opening import over_residues, without_middle
from pytensor_stabilize.rewrites.matching import is_condition
from pytensor_stabilize.rewrites.memory import at_hand

_MOST_ROUNDS = 4
# Functions that may reach their ends together: the search is exponential in their number.
_MOST_CORNERS = 2

# What cancels only when terms are brought over their common denominator.
OVER_DENOMINATOR = "terms over one denominator"
LeafTest = Callable[[Symbol, Family], bool]
# What parts of a sum are factored to, by part and depth: the search for corners meets each often.
Known = dict[tuple[frozenset[tuple[Monomial, Fraction]], int], "Factored"]


@dataclass(frozen=True)
class Factored:
    """``coefficient * factors * residual``; `hidden` names the roots that the sum did not show."""

    coefficient: Fraction
    factors: Monomial = ONE
    residual: Form = field(default_factory=lambda: {ONE: Fraction(1)})
    hidden: tuple[str, ...] = ()

    @property
    def is_product(self) -> bool:
        """Whether no sum is left."""
        return self.residual == {ONE: 1}

    @property
    def only_labels(self) -> bool:
        """Whether nothing is hidden but what takes a label to vanish."""
        return all(root.startswith("both ends") for root in self.hidden)

    def as_monomial(self) -> Monomial:
        """The factors, with what is left of the sum as one generator more."""
        if self.is_product:
            return self.factors
        return times(self.factors, monomial([(residue(self.residual), 1)]))

    def inverse(self) -> Term:
        """One over it."""
        return 1 / self.coefficient, to_power(self.as_monomial(), -1)


def residue(form: Form) -> Residue:
    """The generator that stands for a sum."""
    return Residue(frozenset(form.items()))


def canonical(terms: list[Term], is_leaf: LeafTest, reduce_all: bool = True) -> Factored:
    """Factor a sum over its critical roots.

    Parameters
    ----------
    terms
        The sum as it was multiplied out, equal terms not added up: what cancels among them is
        what the graph loses.
    is_leaf
        Says of a symbol that it may take the value 1 exactly, as a label does, whatever the
        argument of a family.
    reduce_all
        Whether to simplify parts that hide no root as well, ``1 + exp(x)`` to ``1 / q``.
    """
    memory = at_hand.get()
    key = (tuple(terms), reduce_all)
    # Most sums are met a dozen times, in products with others and after changes elsewhere.
    if memory is not None and key in memory.factorings:
        return memory.factorings[key]
    labels: list[Symbol] = []

    def noted(symbol: Symbol, family: Family) -> bool:
        labels.append(symbol)
        return is_leaf(symbol, family)

    found = _factored(terms, noted, reduce_all, 0, {})
    # Whether a symbol is a label depends on the region around the terms.
    if memory is not None and not labels:
        memory.factorings[key] = found
    return found


def _factored(
    terms: list[Term], is_leaf: LeafTest, reduce_all: bool, depth: int, known: Known
) -> Factored:
    """`canonical`, with so many families set to an end of their range on the way here."""
    form = merged(terms)
    if not form:
        return Factored(Fraction(0), residual={})
    hidden: list[str] = []
    factors: Monomial = ONE
    spelled = over_residues(terms)
    form = merged(spelled)
    if spelled is not terms and any(m not in form for _, m in spelled):
        # a / r - a**2 / r**2 with r = a + b is a b / r**2
        hidden.append(OVER_DENOMINATOR)
    for _ in range(_MOST_ROUNDS):
        before = form
        form, roots = _reduce(form, spelled, reduce_all)
        hidden += roots
        if not form:
            return Factored(Fraction(0), residual={})
        shared = _shared(form)
        factors = times(factors, shared)
        form = divided(form, shared)
        joint = _corners(form, is_leaf, depth, known)
        if joint is not None:
            form, root = joint
            hidden.append(root)
            break
        spelled = [(c, m) for m, c in form.items()]
        if form == before:
            break
    coefficient = content(form)
    return Factored(
        coefficient, factors, {m: c / coefficient for m, c in form.items()}, tuple(hidden)
    )


def _shared(form: Form) -> Monomial:
    """What divides all terms; of symbols in some denominators only what is in all of them.

    ``x**2 + 1 / x`` over x would be ``x**3 + 1``, which overflows where the terms do not.
    """
    rows = [dict(factors) for factors in form]
    powers: list[tuple[Generator, Exponent]] = []
    for generator, lowest in common(form):
        if lowest < 0 and isinstance(generator, Symbol):
            lowest = min(max(row.get(generator, 0) for row in rows), 0)
        powers.append((generator, lowest))
    return monomial(powers)


def _reduce(form: Form, spelled: list[Term], reduce_all: bool) -> tuple[Form, list[str]]:
    """Factor a sum family by family; of two in the order with most roots, then fewest terms."""
    found = families(form)
    best: tuple[tuple[Exponent, int, int], Form, list[str]] | None = None
    tries = [(form, spelled, found)]
    if len(found) == 2:
        tries.append((form, spelled, found[::-1]))
        for own, other in (found, found[::-1]):
            # t (p q' + q) - p q p' is p**2 q' - q**2, which takes t = p - q and 1 = p' + q'.
            opened = without_middle(form, own)
            if opened is not None:
                tries.append((merged(opened), opened, [other, own]))
    for current, now, order in tries:
        hidden: list[str] = []
        for family in order:
            current, roots = _reduce_groups(current, now, family, reduce_all)
            hidden += roots
            now = [(c, m) for m, c in current.items()]
        # s**3 (a - b) - t**2 a + t b is 0 at s = 1, and no term of it shows that root.
        shown = sum(n for g, n in common(current) if isinstance(g, Member) and n > 0)
        # p - q sech(y)**2 is right for large y, p - q + q tanh(y)**2 next to x = y = 0 alone
        middle = sum(root.startswith("t ") for root in hidden)
        if best is None or (-shown, len(current), middle) < best[0]:
            best = (-shown, len(current), middle), current, hidden
    assert best is not None
    return best[1:]


def _reduce_groups(
    form: Form, spelled: list[Term], family: Family, reduce_all: bool
) -> tuple[Form, list[str]]:
    """Factor what each group of equal other factors has of a family."""
    groups: dict[Monomial, Form] = defaultdict(dict)
    for factors, coefficient in form.items():
        groups[without(factors, family)][factors] = coefficient
    shown: dict[Monomial, list[tuple[Exponent, Exponent, Exponent]]] = defaultdict(list)
    for _, factors in spelled:
        shown[without(factors, family)].append(powers(factors, family))
    result: list[Term] = []
    hidden: list[str] = []
    for rest, group in groups.items():
        found = reduced(group, family)
        if found is None or _cancels_in_the_middle(group, found, family):
            result += [(c, m) for m, c in group.items()]
            continue
        (p, q, t), vector = found
        if not vector:
            hidden.append(f"{family.kind} altogether")
            continue
        roots = _hidden(shown[rest], (p, q, t), family)
        hidden += roots
        if not (roots or reduce_all):
            result += [(c, m) for m, c in group.items()]
            continue
        degree = len(vector) - 1
        result += [
            (c, times(rest, members(family, p + k, q + degree - k, t)))
            for k, c in enumerate(vector)
            if c
        ]
    return merged(result), hidden


def _cancels_in_the_middle(
    group: Form,
    found: tuple[tuple[Exponent, Exponent, Exponent], list[Fraction]],
    family: Family,
) -> bool:
    """Whether a group, reduced, cancels where p is q, and its terms as they were do not.

    ``1e-9 - t`` is small there because its terms are; ``(1e-9 + 1) q + (1e-9 - 1) p`` is not.
    """
    (p, q, t), vector = found
    if t or not cancels(vector):
        return False
    shown = [(powers(factors, family), c) for factors, c in group.items()]
    before = sum(abs(c) * 2.0 ** -float(a + b) for (a, b, t), c in shown if not t)
    whole = 2.0 ** -float(p + q + len(vector) - 1)
    return sum(map(abs, vector)) * whole > LOSS * max(before, abs(sum(vector)) * whole)


def _hidden(
    shown: list[tuple[Exponent, Exponent, Exponent]],
    found: tuple[Exponent, Exponent, Exponent],
    family: Family,
) -> list[str]:
    """Names of the roots that the sum has and its terms do not show."""
    if len(shown) < 2:
        return []
    lowest = [min(powers[i] for powers in shown) for i in range(3)]
    return [
        f"{name} of {family.kind}"
        for name, low, power in zip("pqt", lowest, found, strict=True)
        if power > low
    ]


def _part(form: Form, is_leaf: LeafTest, depth: int, known: Known) -> Factored:
    """`canonical` of a part of a sum."""
    key = (frozenset(form.items()), depth)
    if key not in known:
        items = [(c, m) for m, c in form.items()]
        known[key] = _factored(items, is_leaf, True, depth, known)
    return known[key]


def _corners(
    form: Form, is_leaf: LeafTest, depth: int, known: Known, may_return: bool = False
) -> tuple[Form, str] | None:
    """Take out roots at which two things meet: ``1 - p t`` at ``p = t = 1``.

    The sum is made homogeneous in one family, ``q + p (1 - t)``; each coefficient is then the value
    of the sum at an end of the range, and is treated in turn.
    """
    if len(form) < 2 or depth > _MOST_CORNERS:
        return None
    # cos(u / 2)**2 is as often near its ends as anywhere.
    found = [family for family in families(form) if family.kind != "cosine"]
    if len(found) > _MOST_CORNERS + 1:
        return None
    for family in found:
        vector = homogeneous(form, family)
        if vector is None or len(vector) < 2:
            continue
        if _vanishes_in_the_middle(form, family):
            # t - y is right where both are small; (1 - y) p - (1 + y) q would not be.
            between = _between_labels(form, family, is_leaf, depth, known)
            if between is not None:
                return between, f"one end of {family.kind} with another factor"
            continue
        if not any(_can_vanish(vector[k], family, is_leaf, depth + 1, known) for k in (0, -1)):
            continue
        degree = len(vector) - 1
        total: list[Term] = []
        for k, coefficient in enumerate(vector):
            if not coefficient:
                continue
            part = _part(coefficient, is_leaf, depth + 1, known)
            total.append(
                (part.coefficient, times(part.as_monomial(), members(family, k, degree - k)))
            )
        result = merged(total)
        labelled = any(isinstance(g, Symbol) for m in form for g, _ in m)
        if not labelled and len({c > 0 for c in result.values()}) > 1:
            continue  # a difference of two arguments: it has a rule of its own
        # A sum that is as bad afterwards would go to and fro.
        if may_return or all(
            _corners(again, is_leaf, depth, known, may_return=True) is None
            for again in (result, _read_again(result))
        ):
            return result, f"both ends of {family.kind} with another factor"
    return None


def _read_again(form: Form) -> Form:
    """A sum as a reader finds it once it is built: sums with companions in them multiplied out."""
    total: list[Term] = []
    for factors, coefficient in form.items():
        own = [(coefficient, ONE)]
        for generator, power in factors:
            inner = [(Fraction(1), monomial([(generator, power)]))]
            if isinstance(generator, Residue) and power == 1:
                items = [(c, m) for m, c in generator.form.items()]
                if families(m for _, m in items):
                    inner = items
            own = multiplied(own, inner)
        total += own
    return merged(total)


def _vanishes_in_the_middle(form: Form, family: Family) -> bool:
    """Whether each term shows a factor t, of this family or another, or a symbol: it may be 0."""

    def is_small(generator: Generator, factors: Monomial) -> bool:
        if isinstance(generator, Member):
            return generator.companion == "t"
        # A condition with other factors chooses between terms.
        alone = len(factors) == 1
        return isinstance(generator, Symbol) and (alone or not is_condition(generator.variable))

    return any(power_of(m, Member(family, "t")) for m in form) and all(
        any(is_small(g, m) for g, _ in m) for m in form
    )


def _between_labels(
    form: Form, family: Family, is_leaf: LeafTest, depth: int, known: Known
) -> Form | None:
    """``t - y -> (1 - y) t - 2 y q``: what it is at y = 0 and at y = 1, in between linear."""
    labels = [g for g in generators(form) if isinstance(g, Symbol) and is_leaf(g, family)]
    if len(labels) != 1 or len(form) != 2 or depth:
        return None  # of longer sums the result may be such a sum again, without end
    (label,) = labels
    own = monomial([(label, 1)])
    # (1 - y) t + y p, for t + y q, cancels where y is large and q is small.
    if own not in form or any(power_of(m, label) not in (0, 1) for m in form):
        return None
    at_zero = {m: c for m, c in form.items() if not power_of(m, label)}
    at_one = merged(
        (c, times(m, to_power(own, -1)) if power_of(m, label) else m) for m, c in form.items()
    )
    if not at_zero or not at_one:
        return None
    first = _part(at_zero, is_leaf, depth + 1, known)
    second = _part(at_one, is_leaf, depth + 1, known)
    if not second.hidden:
        return None
    rest = monomial([(residue({ONE: Fraction(1), own: Fraction(-1)}), 1)])
    return merged(
        [
            (first.coefficient, times(first.as_monomial(), rest)),
            (second.coefficient, times(second.as_monomial(), own)),
        ]
    )


def _can_vanish(form: Form, family: Family, is_leaf: LeafTest, depth: int, known: Known) -> bool:
    """Whether the value at an end is 0 for some value of a label, or hides a root itself."""
    if len(form) < 2:
        return False
    if families(form):
        # At a root in the middle of its range, exp(a) = 1, the other function is far from its end.
        found = _part(form, is_leaf, depth, known)
        return any(not root.startswith("t ") for root in found.hidden)
    if len(form) != 2 or ONE not in form or sum(form.values()) != 0:
        return False
    (other,) = (m for m in form if m)
    if len(other) != 1:
        return False
    ((generator, power),) = other
    return power == 1 and isinstance(generator, Symbol) and is_leaf(generator, family)
