"""Breaks each rule and each coefficient of a kernel, and runs the tests that should notice.

    python tests/mutation.py [--only name] [--kind ulps] [--again] [--write]    (or: make mutate)

A process for the tests of a file, which collects them once and forks for each mutant: only tests
in which the rule does something are asked, the shortest first.  What was found is kept in
build/mutation, so that a run can be broken off; `--write` puts it into docs/mutants.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numba  # noqa: F401  (imported before the processes are forked)
import pytensor
import pytest
from _pytest.runner import runtestprotocol
from mutants import (
    COEFFICIENT,
    OF_VALUES,
    Mutant,
    break_coefficient,
    break_rule,
    note_rules,
    of_coefficients,
    of_rules,
)
from mutants_page import LEFT, TEXT, outcome, table, write_page

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "mutation"
# A broken rule may undo what another does, for ever: so many seconds for a test, and for all.
LIMITS = 120, 1200.0


def forked(work: Callable[[], object], log: Path) -> int:
    """The id of a process that does some work and writes to a log; it ends with 0 if it can."""
    log.parent.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()  # what the tests start ends with it
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def in_child(work: Callable[[], object], log: Path, limit: float = LIMITS[1]) -> object:
    """The result of `work` in a forked process, or None if it takes too long."""
    answer = log.with_suffix(".answer")
    child = forked(lambda: answer.write_text(json.dumps(work())), log)
    end = time.monotonic() + limit
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)
    if ended[1]:
        raise RuntimeError(f"The process ended without a result, see {log}.")
    result = json.loads(answer.read_text())
    answer.unlink()
    return result


class Watch:
    """Notes how long each test takes, which rules do something in it, and the first that fails."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.fired: dict[str, set[str]] = defaultdict(set)
        self.failed = self.why = ""
        self._test = ""

    def run(self, items: Iterable[pytest.Item]) -> None:
        """Run tests until one fails."""
        signal.signal(signal.SIGALRM, _too_long)
        for item in items:
            self._test = item.nodeid
            signal.alarm(LIMITS[0])
            for report in runtestprotocol(item, log=False, nextitem=None):
                self.seconds[item.nodeid] += report.duration
                if report.failed and not self.failed:
                    self.failed, self.why = item.nodeid, _why(report)
                    print(report.longreprtext)
            signal.alarm(0)
            if self.failed:
                return

    def note(self, rule: str) -> None:
        self.fired[rule].add(self._test)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"longer than {LIMITS[0]} s")


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash else report.longreprtext).split())[:300]


class Results:
    """What was found about the mutants of some files, kept in a file of its own."""

    def __init__(self, name: str) -> None:
        self.path = BUILD / "results" / f"{name}.json"

    def found(self) -> dict[str, dict]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    @classmethod
    def all(cls) -> dict[str, dict]:
        """What was found about each mutant last."""
        results: dict[str, dict] = {}
        for path in (BUILD / "results").glob("*.json"):
            for mutant, found in cls(path.stem).found().items():
                if mutant not in results or results[mutant]["when"] < found["when"]:
                    results[mutant] = found
        return results

    def add(self, mutant: Mutant, found: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Read again: another run may have written it.
        results = self.found() | {str(mutant): found | {"when": time.time()}}
        self.path.write_text(json.dumps(results, indent=1))


class Session:
    """Asks the collected tests about each of some mutants, in place of running them."""

    def __init__(self, mutants: Sequence[Mutant], results: Results) -> None:
        self.mutants, self.results = mutants, results
        self._good: set[str] = set()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise SystemExit(f"{self.mutants[0].files} cannot be collected.")
        by_file = defaultdict(list)
        for item in session.items:
            by_file[f"tests/{item.path.name}"].append(item)
        known = {file: recorded(file, by_file[file]) for file in self.mutants[0].files}
        for mutant in self.mutants:
            items = chosen(mutant, session.items, known)
            found = ask(mutant, items)
            self._check(found["caught"], items)
            self.results.add(mutant, found)
        return True

    def _check(self, caught: str, items: Sequence[pytest.Item]) -> None:
        """What a test notices counts only if it passes with nothing broken."""
        own = [item for item in items if item.nodeid == caught]
        if own and caught not in self._good:

            def work() -> str:
                watch = Watch()
                watch.run(own)
                return watch.failed

            if in_child(work, BUILD / "logs" / "unbroken.txt"):
                raise SystemExit(f"{caught} fails with nothing broken.")
            self._good.add(caught)


def recorded(file: str, items: Sequence[pytest.Item]) -> dict:
    """Durations of a file's tests and the rules that do something in each; recorded once."""

    def work() -> dict:
        watch = Watch()
        note_rules(watch.note)
        watch.run(items)
        fired = {rule: sorted(tests) for rule, tests in watch.fired.items()}
        return {"seconds": watch.seconds, "fired": fired, "failed": watch.failed}

    kept = BUILD / "tests" / f"{Path(file).stem}.json"
    if not kept.exists():
        found = in_child(work, kept.with_suffix(".txt"), limit=3600)
        assert isinstance(found, dict)
        if found["failed"]:
            raise SystemExit(f"{found['failed']} fails with nothing broken.")
        kept.write_text(json.dumps(found))
    return json.loads(kept.read_text())


def chosen(mutant: Mutant, items: Sequence[pytest.Item], known: dict) -> list[pytest.Item]:
    """The tests that may notice a mutant, the best first: its own, and the shortest of them.

    Whether values are wrong is asked first of those that measure a promise.  What was written
    after the file's tests were recorded is asked as well.
    """
    if mutant.kind == "row":
        own = f"exact_arithmetic[{mutant.subject}]"
        return [item for item in items if item.name.endswith(own)]
    seconds: dict[str, float] = {}
    fired: set[str] = set()
    for record in known.values():
        seconds |= record["seconds"]
        fired |= set(record["fired"].get(mutant.subject, ()))
    asked = [i for i in items if i.nodeid in fired or i.nodeid not in seconds]
    named = re.compile(rf"[\[-]{mutant.subject}[-\]]")
    measures = re.compile("promise" if mutant.kind in OF_VALUES else "")
    return sorted(
        asked,
        key=lambda item: (
            not named.search(item.nodeid),
            not measures.search(item.nodeid),
            seconds.get(item.nodeid, 0.0),
        ),
    )


def ask(mutant: Mutant, items: Sequence[pytest.Item]) -> dict:
    """What came of a mutant of a rule: the test that fails, or none."""

    def work() -> dict:
        watch, breaker = Watch(), break_rule(mutant.subject, mutant.kind)
        if mutant.kind in OF_VALUES:
            agree_on_graphs()
        watch.run(items)
        return {"caught": watch.failed, "why": watch.why, "changed": breaker.changed}

    return timed(mutant, work)


def ask_kernels(mutant: Mutant) -> dict:
    """What came of a mutant of a kernel."""

    def work() -> dict:
        watch = Watch()
        break_coefficient(mutant.subject)
        for only in (mutant.only, f"not ({mutant.only})"):
            if not watch.failed:
                run_pytest([*mutant.files, "-k", only], _Asking(watch))
        return {"caught": watch.failed, "why": watch.why, "changed": 1}

    return timed(mutant, work)


class _Asking:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.watch.run(session.items)
        return True


def timed(mutant: Mutant, work: Callable[[], dict]) -> dict:
    began = time.monotonic()
    found = in_child(work, BUILD / "logs" / (re.sub(r"\W+", "_", str(mutant)) + ".txt"))
    result = found if isinstance(found, dict) else {"caught": "does not end", "changed": 1}
    return result | {"seconds": round(time.monotonic() - began, 1)}


def run_pytest(arguments: Sequence[str], plugin: object) -> None:
    # Without capture: each process writes where it was told to.
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    code = pytest.main([*options, *arguments], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r} for {arguments}")


def agree_on_graphs() -> None:
    """Comparisons of graphs say yes from here on: the tests have to look at values."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if Path(file).parent == ROOT / "tests" and hasattr(module, "same_graph"):
            module.same_graph = lambda *_, **__: True  # type: ignore[attr-defined]


def group(mutant: Mutant) -> str:
    """Mutants of one group are tried one after the other in one process."""
    if mutant.kind == COEFFICIENT:
        return "kernels_" + mutant.subject.split()[0].replace(".", "_")
    return "_".join(Path(file).stem.removeprefix("test_") for file in mutant.files)


def try_group(name: str, mutants: Sequence[Mutant]) -> None:
    results = Results(name)
    if mutants[0].kind == COEFFICIENT:
        for mutant in mutants:
            results.add(mutant, ask_kernels(mutant))
    else:
        import pytensor_stabilize  # noqa: F401  (from here on forked with it)

        run_pytest(mutants[0].files, Session(mutants, results))


def try_groups(groups: dict[str, list[Mutant]], workers: int) -> bool:
    """Try groups of mutants, so many at a time; whether all could be."""
    todo, running, good = list(groups), {}, True
    while todo or running:
        if todo and len(running) < workers:
            name = todo.pop(0)
            log = BUILD / f"{name}.txt"
            running[forked(partial(try_group, name, groups[name]), log)] = name
            continue
        child, status = os.wait()
        name = running.pop(child)
        end = f"broken off, see {BUILD}" if status else "tried"
        print(f"{name}: {len(groups[name])} mutants {end}", flush=True)
        good &= not status
    return good


def listed(what: Callable) -> list[Mutant]:
    """Mutants, listed in a child so that this process has not imported what they break."""
    rows = in_child(lambda: [asdict(m) for m in what()], BUILD / "logs" / "list.txt")
    assert isinstance(rows, list)
    return [Mutant(**row | {"files": tuple(row["files"])}) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--kind", choices=list(TEXT), nargs="*", default=list(TEXT))
    parser.add_argument("--again", action="store_true", help="also those that were tried before")
    parser.add_argument("--survivors", action="store_true", help="only those that survived")
    parser.add_argument("--workers", type=int, default=1, help="so many processes at a time")
    parser.add_argument("--write", action="store_true", help="only write the page")
    options = parser.parse_args()
    os.chdir(ROOT)
    # Coefficients are broken in processes that have not imported the package.
    mutants = listed(of_rules) + listed(of_coefficients)
    results = Results.all()
    if options.write:
        write_page(table(mutants, results))
        return
    groups: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if options.only in str(mutant) and mutant.kind in options.kind:
            what = outcome(mutant, results)
            if options.again or (what in LEFT if options.survivors else what == "not tried"):
                groups[group(mutant)].append(mutant)
    good = try_groups(groups, options.workers)
    results = Results.all()
    for mutant in mutants:
        if (what := outcome(mutant, results)) in LEFT:
            print(f"{what:13} {mutant}")
    print(table(mutants, results))
    raise SystemExit(not good or any(outcome(mutant, results) in LEFT for mutant in mutants))


if __name__ == "__main__":
    # One thread each, as in the tests; the processes are forked, and have none of this one's.
    pytensor.config.on_opt_error = "raise"
    main()
