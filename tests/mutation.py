"""Breaks each rule and each coefficient of a kernel, and runs the tests that should notice.

    python tests/mutation.py [--only name] [--kind ulps] [--again] [--write]    (or: make mutate)

One process each, forked from one that has imported everything; of a file's tests those in which
the rule fires are asked first, the shortest first, and all others only if these pass.  What was
found is kept in build/mutation, so that a run can be broken off; `--write` puts it into
docs/mutants.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numba  # noqa: F401  (imported before the processes are forked)
import pytensor
import pytest
from mutants import (
    COEFFICIENT,
    EQUIVALENT,
    KINDS,
    LATE,
    Mutant,
    break_coefficient,
    break_rule,
    of_coefficients,
    of_rules,
)

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "mutation"
PAGE = ROOT / "docs" / "mutants.md"
# A broken rule may undo what another does, for ever.
LIMIT = 900.0
# So many seconds of tests are asked before whole files are.
FIRST = 60.0


def in_child(work: Callable[[], object], log: Path, limit: float = LIMIT) -> object:
    """The result of `work` in a forked process, or None if it takes too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    answer = log.with_suffix(".json")
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            os.setsid()  # what the tests start ends with it
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            answer.write_text(json.dumps(work()))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    end = time.monotonic() + limit
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)
    if not answer.exists():
        raise RuntimeError(f"The process ended without a result, see {log}.")
    result = json.loads(answer.read_text())
    answer.unlink()
    return result


class Watch:
    """Notes how long each test takes, which rules fire in it, and the first that fails."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.fired: dict[str, set[str]] = {}
        self.failed = ""
        self._test = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def note(self, rule: str) -> None:
        self.fired.setdefault(rule, set()).add(self._test)


def run_tests(watch: Watch, arguments: Sequence[str]) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    code = pytest.main([*options, *arguments], plugins=[watch])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not watch.failed:
        raise RuntimeError(f"pytest ended with {code!r} for {arguments}")


def firing(file: str) -> dict:
    """Durations of a file's tests, and the tests in which each rule fires."""

    def work() -> dict:
        from pytensor_stabilize.rewrites import engine, jax_lowering, lowering

        watch = Watch()
        for module in (engine, lowering, jax_lowering):
            module.note_fired = _noting(module.note_fired, watch)
        run_tests(watch, [file])
        fired = {rule: sorted(tests) for rule, tests in watch.fired.items()}
        return {"seconds": dict(watch.seconds), "fired": fired, "failed": watch.failed}

    kept = BUILD / "firing" / f"{Path(file).stem}.json"
    sources = [ROOT / file, *(ROOT / "rewrites").rglob("*.py")]
    if not kept.exists() or kept.stat().st_mtime < max(s.stat().st_mtime for s in sources):
        found = in_child(work, BUILD / "logs" / f"{Path(file).stem}.txt", limit=3600)
        assert isinstance(found, dict)
        if found["failed"]:
            raise SystemExit(f"{found['failed']} fails with nothing broken.")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return json.loads(kept.read_text())


def _noting(note_fired: Callable, watch: Watch) -> Callable:
    def noting(fgraph, rule, *args, **kwargs):
        watch.note(rule)
        return note_fired(fgraph, rule, *args, **kwargs)

    return noting


def asked_first(mutant: Mutant) -> list[str]:
    """The tests in which the rule fires, the best first: its own, then the shortest."""
    tests: dict[str, float] = {}
    for file in mutant.files:
        found = firing(file)
        tests |= {test: found["seconds"][test] for test in found["fired"].get(mutant.subject, ())}
    own = f"{mutant.subject}]"
    chosen, total = [], 0.0
    for test in sorted(tests, key=lambda test: (not test.endswith(own), tests[test])):
        chosen.append(test)
        total += tests[test]
        if total > FIRST:
            break
    return chosen


def try_mutant(mutant: Mutant) -> dict:
    """What came of a mutant: the test that fails, or none."""
    first = [] if mutant.only or mutant.subject in LATE else asked_first(mutant)

    def work() -> dict:
        os.chdir(ROOT)
        watch, breaker = Watch(), None
        if mutant.kind == COEFFICIENT:
            break_coefficient(mutant.subject)
        else:
            breaker = break_rule(mutant.subject, mutant.kind)
        if first:
            run_tests(watch, ["-x", *first])
        elif mutant.only:
            run_tests(watch, ["-x", "-k", mutant.only, *mutant.files])
        if not watch.failed and mutant.kind != "row":
            run_tests(watch, ["-x", *mutant.files])
        return {"caught": watch.failed, "changed": breaker.changed if breaker else 1}

    began = time.monotonic()
    log = BUILD / "logs" / (re.sub(r"\W+", "_", str(mutant)) + ".txt")
    found = in_child(work, log)
    result = found if isinstance(found, dict) else {"caught": "does not end", "changed": 1}
    return result | {"seconds": round(time.monotonic() - began, 1)}


def listed(what: Callable) -> list[Mutant]:
    """Mutants, listed in a child so that this process has not imported what they break."""
    rows = in_child(lambda: [asdict(m) for m in what()], BUILD / "logs" / "list.txt")
    assert isinstance(rows, list)
    return [Mutant(**row | {"files": tuple(row["files"])}) for row in rows]


def outcome(mutant: Mutant, found: dict) -> str:
    if found["caught"]:
        return "caught"
    if (mutant.subject, mutant.kind) in EQUIVALENT:
        return "equivalent"
    return "survived" if found["changed"] else "never applied"


def table(mutants: Sequence[Mutant], results: dict[str, dict]) -> str:
    """Counts of each kind, and the mutants that no test can tell from the original."""
    kinds = KINDS | {COEFFICIENT: "a coefficient of a kernel costs more than the kernel promises"}
    lines = ["| mutants | | there are | tried | caught | equivalent | survived |"]
    lines.append("|---|---|---|---|---|---|---|")
    for kind, text in kinds.items():
        own = [m for m in mutants if m.kind == kind]
        counts = Counter(outcome(m, results[str(m)]) for m in own if str(m) in results)
        survived = counts["survived"] + counts["never applied"]
        row = (f"`{kind}`", text, len(own), counts.total(), counts["caught"])
        lines.append("| " + " | ".join(map(str, (*row, counts["equivalent"], survived))) + " |")
    left = [m for m in mutants if outcome_of(m, results) in ("survived", "never applied")]
    if left:
        lines += ["", "Survived: " + ", ".join(f"`{mutant}`" for mutant in left) + "."]
    if EQUIVALENT:
        lines += ["", "Equivalent, because:", ""]
        lines += [f"- `{name}:{kind}`: {why}" for (name, kind), why in EQUIVALENT.items()]
    return "\n".join(lines)


def outcome_of(mutant: Mutant, results: dict[str, dict]) -> str:
    found = results.get(str(mutant))
    return outcome(mutant, found) if found else "not tried"


def write_page(text: str) -> None:
    path = ROOT / "benchmarks" / "readme.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("readme", path)
    assert spec is not None
    assert spec.loader is not None
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    PAGE.write_text(readme.fill(PAGE.read_text(), "mutants", text))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--kind", choices=[*KINDS, COEFFICIENT])
    parser.add_argument("--again", action="store_true", help="also those that were tried before")
    parser.add_argument("--survivors", action="store_true", help="those that survived, again")
    parser.add_argument("--write", action="store_true", help="only write the page")
    options = parser.parse_args()
    os.chdir(ROOT)
    kept = BUILD / "results.json"
    results: dict[str, dict] = json.loads(kept.read_text()) if kept.exists() else {}
    # Coefficients first: they are broken in processes that have not imported the package.
    mutants = listed(of_coefficients) + listed(of_rules)
    if options.write:
        write_page(table(mutants, results))
        return
    for mutant in mutants:
        before = results.get(str(mutant))
        again = options.again or (options.survivors and before and not before["caught"])
        if options.only not in str(mutant) or (options.kind not in (None, mutant.kind)):
            continue
        if before is not None and not again:
            continue
        if mutant.kind != COEFFICIENT:
            import pytensor_stabilize  # noqa: F401  (from here on forked with it)
        results[str(mutant)] = found = try_mutant(mutant)
        BUILD.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(results, indent=1))
        print(f"{outcome(mutant, found):13} {mutant}  {found['caught']}", flush=True)
    print(table(mutants, results))
    left = [m for m in mutants if outcome_of(m, results) in ("survived", "never applied")]
    raise SystemExit(1 if left else 0)


if __name__ == "__main__":
    # One thread each, as in the tests; the processes are forked, and have none of this one's.
    pytensor.config.on_opt_error = "raise"
    main()
