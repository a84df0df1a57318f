"""keep_pairing_code and use_pairing_code: one node, one session, and an end (ND11)."""

import pytest

from scheduling.access import pairing
from scheduling.access.pairing import Pairing
from scheduling.model.errors import TooManyRequests, UnknownPairingCode
from scheduling.model.metrics import Metrics
from tests.scripts.fixtures import Stores
from tests.waiting import eventually

LIFE_MS = 300_000


def make_pairing(stores: Stores, *, life_ms: int = LIFE_MS) -> Pairing:
    return Pairing(
        codes=stores.pairing_codes,
        allowances=stores.allowances,
        life_ms=life_ms,
        metrics=Metrics(),
    )


async def guess(pairing_: Pairing, *, sender: str, code: str = "222222") -> type[Exception]:
    try:
        await pairing_.use(code, sender=sender, shown_by="c1")
    except (UnknownPairingCode, TooManyRequests) as refusal:
        return type(refusal)
    raise AssertionError("a guess was right")


@pytest.mark.req("ND11")
async def test_a_code_is_one_nodes_and_ends_by_itself(stores: Stores) -> None:
    key = stores.keys.pairing_code("ABC234")

    assert await stores.pairing_codes.keep("ABC234", node_id="n1", life_ms=LIFE_MS)
    assert not await stores.pairing_codes.keep("ABC234", node_id="n2", life_ms=LIFE_MS)
    assert await stores.connection.execute("HGETALL", key) == {"node_id": "n1"}
    assert 0 < await stores.connection.execute("PTTL", key) <= LIFE_MS


@pytest.mark.req("ND11")
async def test_the_first_who_shows_a_code_uses_it_up_for_all_others(stores: Stores) -> None:
    codes = stores.pairing_codes
    await codes.keep("ABC234", node_id="n1", life_ms=LIFE_MS)

    shown = [await codes.use("ABC234", shown_by=one) for one in ("c1", "c2", "c1")]

    assert shown == ["n1", "", "n1"]
    assert not await codes.keep("ABC234", node_id="n1", life_ms=LIFE_MS)
    assert await stores.connection.execute("PTTL", stores.keys.pairing_code("ABC234")) > 0


@pytest.mark.req("ND11")
async def test_what_nobody_has_is_used_without_a_trace(stores: Stores) -> None:
    assert await stores.pairing_codes.use("ABC234", shown_by="c1") == ""
    assert not await stores.connection.execute("EXISTS", stores.keys.pairing_code("ABC234"))


@pytest.mark.req("ND11")
async def test_a_code_that_is_late_binds_no_session(stores: Stores) -> None:
    late = make_pairing(stores, life_ms=1)
    drawn = await late.draw("n1", sender="address-1")
    await eventually(
        lambda: stores.connection.execute("EXISTS", stores.keys.pairing_code(drawn.code)),
        "the code does not end",
        fits=lambda count: count == 0,
    )

    assert await guess(late, sender="address-2", code=drawn.code) is UnknownPairingCode


@pytest.mark.req("ND11")
async def test_codes_are_of_six_letters_and_digits_and_all_differ(
    stores: Stores,
) -> None:
    one = make_pairing(stores)
    drawn = [(await one.draw("n1", sender=f"address-{each}")).code for each in range(50)]

    assert all(len(code) == 6 and set(code) <= set(pairing.ALPHABET) for code in drawn)
    assert len(set(drawn)) == len(drawn)


@pytest.mark.req("ND11")
async def test_whoever_asks_for_codes_in_a_flood_is_told_when_to_ask_again(stores: Stores) -> None:
    one, two = make_pairing(stores), make_pairing(stores)
    for each in range(20):
        await (one, two)[each % 2].draw(f"n{each}", sender="address-1")

    with pytest.raises(TooManyRequests) as refused:
        await two.draw("n1", sender="address-1")

    assert 0 < refused.value.details["retry_after_ms"] <= 10_000
    assert (await two.draw("n1", sender="address-2")).code


@pytest.mark.req("ND11", "ED12")
async def test_whoever_guesses_is_soon_not_looked_up_any_more(stores: Stores) -> None:
    one, two = make_pairing(stores), make_pairing(stores)
    drawn = await one.draw("n1", sender="a-node")
    told = [await guess((one, two)[each % 2], sender="address-1") for each in range(60)]

    assert told[:20] == [UnknownPairingCode] * 20
    assert set(told[-20:]) == {TooManyRequests}
    with pytest.raises(TooManyRequests):
        await one.use(drawn.code, sender="address-1", shown_by="c1")
    assert await two.use(drawn.code, sender="address-2", shown_by="c2") == "n1"


@pytest.mark.req("ND11")
@pytest.mark.parametrize("shown", ["", "ABC23", "ABC2345", "ABC23{", "АВС234", "A" * 256, "123456"])  # noqa: RUF001 - letters of another script
async def test_what_can_be_no_code_is_refused_as_one_that_nobody_has(
    shown: str, stores: Stores
) -> None:
    assert await guess(make_pairing(stores), sender="address-1", code=shown) is UnknownPairingCode
