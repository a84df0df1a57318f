"""Write the tables of `docs/performance.md` and `docs/capacity.md` from the results of the bench.

Each table stands between two comments, `<!-- bench:NAME -->` and `<!-- end -->`; what stands
between them is replaced, the words around it are left alone. Run it after `make bench`,
`make bench-peers` or `make simulate`; `--check` says whether the pages are as the results are.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bench.capacity import print_costs, print_example
from bench.figures import Row, print_table
from bench.processes import ROOT
from bench.quietness import describe
from bench.second_round import print_second_round
from bench.simulation.tables import print_policies
from bench.simulation.tally import Figures
from bench.soak import Look, is_bounded, is_flat, judge, print_looks

_RESULTS = ROOT / "bench" / "results"
_PAGES = (ROOT / "docs" / "performance.md", ROOT / "docs" / "capacity.md")
_BLOCK = re.compile(r"(<!-- bench:([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Document = dict[str, Any]


def _read(name: str) -> Document:
    """Return one file of results, empty where it was never made."""
    path = _RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _list_rows(document: Document) -> list[Row]:
    return [Row(**row) for row in document.get("rows", [])]


def print_run(document: Document) -> str:
    """Return the sentence that says what a run was made on."""
    if not document:
        return "Not measured yet."
    machine, load = document["machine"], document["load_average"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    busy = f"{load['before']:.1f} before and {load['after']:.1f} after"
    quiet = f" {describe(document['others'])}" if "others" in document else ""
    return (
        f"Commit `{document['commit']}`, {document['when'][:10]}; {machine['cores']} cores of "
        f"{machine['processor']}, {machine['system']}, Python {machine['python']}, {packages}. "
        f"The run took {document['took_s']} s; load average {busy}.{quiet}"
    )


def print_memory(document: Document) -> str:
    """Return what the rounds of a soak left behind, and whether that is flat."""
    if not document:
        return "Not measured yet."
    looks = [Look(**look) for look in document["looks"]]
    verdict = judge(looks)
    grew = ", ".join(
        f"{who} {verdict[f'{name}_kb_per_1000']:.1f} KB"
        for who, name in (("server", "server"), ("writer", "writer"), ("Redis", "redis"))
    )
    return (
        f"Commit `{document['commit']}`, {document['when'][:10]}. After the warm-up a thousand "
        f"jobs cost {grew}; {verdict['session_keys_left']} keys of sessions were left at the end, "
        f"{verdict['endless_keys']} keys have no end: {_tell_growth(looks, verdict)}."
        f"\n\n{print_looks(looks)}"
    )


def _tell_growth(looks: list[Look], verdict: dict[str, float]) -> str:
    if is_flat(verdict):
        return "flat"
    return "bounded: the server rises and falls" if is_bounded(looks) else "**not flat**"


def print_missed(rows: list[Row]) -> str:
    """Return the rows whose bound was missed, one line each."""
    missed = [row for row in rows if row.met is False]
    if not missed:
        return "Every bound was kept in this run."
    return print_table(missed)


def print_setting(document: Document) -> str:
    """Return what was simulated."""
    if not document:
        return "Not simulated yet."
    setting, policies = document["setting"], document["policies"]
    longest_s = max(policy["virtual_s"] for policy in policies)
    took_s = sum(policy["took_s"] for policy in policies)
    arrivals = policies[0]["arrivals"]
    return (
        f"{setting['nodes']:,} nodes, {setting['sessions']:,} sessions, "
        f"{setting['rate_per_s']:,.0f} utterances a second and {setting['burst']} times as many in "
        f"the middle third of {setting['seconds']:g} virtual seconds: {arrivals:,} utterances, the "
        f"last ended after {longest_s:.0f} virtual seconds at most. {setting['instances']} "
        f"instances, {setting['masters']} masters of Redis, seed {setting['seed']}; "
        f"{took_s:.0f} s of computing for all policies. Waits in ms."
    )


def render(results: Mapping[str, Document]) -> dict[str, str]:
    """Return each block's text by its name."""
    latest, peers, simulated = results["latest"], results["peers"], results["simulation"]
    rows = _list_rows(latest)
    policies = [msgspec.convert(one, Figures) for one in simulated.get("policies", [])]
    makers: dict[str, Callable[[], str]] = {
        "second-round": lambda: print_second_round(results),
        "run": lambda: print_run(latest),
        "table": lambda: print_table(rows),
        "missed": lambda: print_missed(rows),
        "memory": lambda: print_memory(results["memory"]),
        "peers": lambda: print_table(_list_rows(peers)),
        "speech-run": lambda: print_run(results["speech"]),
        "speech": lambda: print_table(_list_rows(results["speech"])),
        "words-run": lambda: print_run(results["words"]),
        "words": lambda: print_table(_list_rows(results["words"])),
        "costs": lambda: print_costs(rows),
        "example": lambda: print_example(rows),
        "simulation": lambda: f"{print_setting(simulated)}\n\n{print_policies(policies)}",
    }
    return {name: make() for name, make in makers.items()}


def fill(page: str, blocks: Mapping[str, str]) -> str:
    """Return a page with the text of every block between its comments.

    :raises KeyError: the page names a block there is not
    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]}\n\n{found[3]}", page)


def main() -> None:
    """Write the pages, or say which are not as the results are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    options = parser.parse_args()
    blocks = render(
        {
            name: _read(name)
            for name in ("latest", "memory", "peers", "simulation", "speech", "words")
        }
    )
    outdated = []
    for path in _PAGES:
        before = path.read_text()
        after = fill(before, blocks)
        if after != before:
            outdated.append(path.name)
            if not options.check:
                path.write_text(after)
    if options.check and outdated:
        sys.exit(f"not as the results are: {', '.join(outdated)}; run python -m bench.report")
    print(f"{len(outdated)} pages changed")


if __name__ == "__main__":
    main()
