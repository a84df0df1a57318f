"""The rule of packages: the import contracts place each; one they do not know may import all."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

# What lies at the top and is no part of the product, and why.
BESIDE = {
    "bench": "measures the product",
    "packages": "has projects, each with its package below src",
    "scripts": "works on the checkout",
    "tests": "tests the product",
    "var": "what programs write",
}
MODULES = {
    "conftest.py": "pytest looks for it here",
    "manage.py": "Django's command line",
}


def packages_are_placed_by_the_contracts(root: Path) -> Iterator[str]:
    """Yield each package and module of the product that no import contract says a word about."""
    linter = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    roots, placed = frozenset(linter["root_packages"]), _list_placed(linter["contracts"])
    for path in _list_packages(root):
        name = path.relative_to(root).as_posix()
        if path.name not in roots:
            yield f"{name} is no root package of the import contracts in pyproject.toml"
        elif path.name not in placed:
            yield f"{name} stands in no layer of the import contracts, and is no source of one"
    for path in sorted(root.glob("*.py")):
        if path.name not in MODULES:
            yield f"{path.name} stands in no package; the import contracts do not see it"


def _list_packages(root: Path) -> Iterator[Path]:
    """Yield the folders that may be imported by their own name and have Python in them."""
    tops = (path for path in root.iterdir() if path.name not in BESIDE)
    for path in sorted([*tops, *root.glob("packages/*/src/*")]):
        if path.name.isidentifier() and path.is_dir() and any(path.rglob("*.py")):
            yield path


def _list_placed(contracts: list[dict[str, list[str]]]) -> frozenset[str]:
    told = [
        line
        for contract in contracts
        for key in ("layers", "source_modules")
        if "containers" not in contract
        for line in contract.get(key, ())
    ]
    return frozenset(word for line in told for word in re.findall(r"[\w.]+", line))
