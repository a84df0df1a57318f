"""Every package is placed by the import contracts; one they do not know is seen."""

import tomllib
from pathlib import Path

import pytest

from tests.rules.package_rules import packages_are_placed_by_the_contracts
from tests.rules.python_rules import PACKAGES

ROOT = Path(__file__).parents[2]
_CONTRACTS = """
[tool.importlinter]
root_packages = ["lingua", "lua", "known"]

[[tool.importlinter.contracts]]
layers = ["lingua", "lua"]

[[tool.importlinter.contracts]]
containers = ["lua"]
layers = ["known"]
"""


def _plant(root: Path, name: str) -> list[str]:
    (root / "pyproject.toml").write_text(_CONTRACTS)
    for each in ("lingua/asgi.py", "tests/test_a.py", "manage.py", name):
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_text("import lingua\n")
    return list(packages_are_placed_by_the_contracts(root))


def test_the_contracts_place_every_package_of_the_tree() -> None:
    assert list(packages_are_placed_by_the_contracts(ROOT)) == []


def test_the_house_rules_look_into_the_packages_the_contracts_know() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert set(PACKAGES) == set(settings["tool"]["importlinter"]["root_packages"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("billing/invoices.py", "billing is no root package"),
        ("billing/deep/invoices.py", "billing is no root package"),
        ("packages/billing/src/billing/invoices.py", "billing/src/billing is no root package"),
        ("known/invoices.py", "known stands in no layer"),
        ("invoices.py", "invoices.py stands in no package"),
    ],
)
def test_a_package_the_contracts_do_not_know_is_found(
    name: str, message: str, tmp_path: Path
) -> None:
    (fault,) = _plant(tmp_path, name)

    assert message in fault


@pytest.mark.parametrize("name", ["lua/scripts.py", "bench/run.py", "templates/page.html"])
def test_what_is_known_or_no_product_is_no_fault(name: str, tmp_path: Path) -> None:
    assert _plant(tmp_path, name) == []
