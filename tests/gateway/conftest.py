"""What tests of the gateway share."""

import asyncio

import pytest
import uvloop

from tests.gateway.gateway_stage import LoopFactory


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> LoopFactory:
    """Both event loops: they differ in how they accept, shake hands and give up."""
    factory: LoopFactory = request.param
    return factory
