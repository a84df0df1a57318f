"""The web client's own tests, in Node.js against a real server; they run on the built files."""

import pytest

from tests.e2e.servers import Lingua
from tests.web_client.conftest import BUILT, run_tests


@pytest.mark.req("RE3")
@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("part", ["parts", "frames", "speaking", "rooms"])
def test_the_library_does_what_it_says(part: str, lingua: Lingua) -> None:
    address, built = f"http://{lingua.instance.address}", str(BUILT / "index.js")

    assert run_tests(f"{part}.test.js", LINGUA_URL=address, LINGUA_CLIENT=built) > 0
