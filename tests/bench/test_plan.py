"""Any service that is planned: who asks for more needs no less, and what is planned keeps to its margins."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.costs import Load
from tests.bench.plan import Margins, need

SERVICES = st.builds(
    Load,
    clients=st.integers(1, 100_000),
    symbols=st.integers(20, 500),
    ticks_per_s=st.floats(1, 5_000),
    each=st.integers(1, 20),
    rate=st.sampled_from([0.0, 0.5, 1.0, 5.0]),
    shared=st.booleans(),
    tls=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(SERVICES, st.floats(1.01, 3))
def test_who_asks_for_more_never_needs_less(load: Load, times: float) -> None:
    more = [
        replace(load, clients=math.ceil(load.clients * times)),
        replace(load, ticks_per_s=load.ticks_per_s * times),
        replace(load, each=load.each + 1, symbols=max(load.symbols, load.each + 1)),
        replace(load, tls=True),
    ]
    try:
        needs = need(load)
        greater = [need(each) for each in more]
    except ValueError:
        return  # a service that no gateway or no cluster can be is said to be so
    for at, each in enumerate(greater):
        # at rates more ticks may be fewer frames: what waits for the same moment goes together
        assert each.gateways >= needs.gateways or (at == 1 and load.rate)
    for each in greater[:2] if not load.rate else greater[:1]:
        assert each.shards >= needs.shards
        assert each.bus_gbit >= needs.bus_gbit


@settings(max_examples=60, deadline=None)
@given(SERVICES)
def test_what_is_planned_keeps_to_its_margins(load: Load) -> None:
    margins = Margins()
    try:
        found = need(load)
    except ValueError:
        return
    assert found.gateways >= 2
    assert (found.gateways - 1) * found.clients_a_gateway >= load.clients - found.clients_a_gateway
    assert found.clients_a_gateway <= margins.gateway_connections
    assert found.gateway_cpu <= margins.gateway_cpu * 1.001 or found.clients_a_gateway == 1
    assert found.gateway_mb <= margins.gateway_mb
    assert found.redis_cpu <= margins.redis_cpu * 1.001
    assert 0 <= load.frames <= load.messages * (1 + 1e-9)
