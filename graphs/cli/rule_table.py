"""The table of rules as text."""

from __future__ import annotations

import inspect

from pytensor_stabilize.rewrites import RULES, is_active
from pytensor_stabilize.rewrites.describe import describe
from pytensor_stabilize.rewrites.rules import Rule


def rule_table() -> str:
    """Every rule with its two sides, domain, promise and the failure that it mends."""
    return "\n\n".join(_entry(rule) for rule in RULES)


def _entry(rule: Rule) -> str:
    import pytensor.tensor as pt

    arguments = [pt.dscalar(name) for name in inspect.signature(rule.before).parameters]
    domain = ", ".join(f"{name} in {interval}" for name, interval in rule.domain.items())
    state = "" if is_active(rule.name) else "  (off)"
    return "\n".join(
        [
            f"{rule.name}{state}",
            f"  {describe(rule.before(*arguments), 8)}  ->  {describe(rule.after(*arguments), 8)}",
            f"  for     {domain}",
            f"  within  {rule.promise:g} ulp (float64)",
            f"  mends   {rule.mends}",
            f"  runs in {', '.join(rule.databases)}",
        ]
    )
