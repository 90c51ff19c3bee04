"""Read a feed from Python: every tick as a value, in order; what is missing as a value too; resumed after each loss.

import asyncio
from feed.client import Client, Gap, Trade, Update

async def main():
    gateways = ["ws://127.0.0.1:8080/v2/sim", "ws://127.0.0.1:8081/v2/sim"]
    async with Client(gateways) as client:
        await client.subscribe(trades=["AAPL", "MSFT"], quotes=["*"], snapshot=True)
        async for event in client:
            match event:
                case Update(tick=Trade(symbol=symbol, price=price, size=size)):
                    print(symbol, price, size)
                case Gap(stream=stream, first=first, last=last):
                    print(stream, "lacks", first, "to", last)

asyncio.run(main())
"""

from feed.client.client import Client
from feed.client.errors import CommandError, Refused, Unanswered
from feed.client.events import (
    Breach,
    Complaint,
    Connected,
    Event,
    Fault,
    Gap,
    Granted,
    Heartbeat,
    Lost,
    Merged,
    NewEpoch,
    Notice,
    Stamps,
    Status,
    Subscribed,
    Unsubscribed,
    Update,
)
from feed.core.streams import Position
from feed.core.ticks import Bar, Quote, Trade

__all__ = (
    "Bar",
    "Breach",
    "Client",
    "CommandError",
    "Complaint",
    "Connected",
    "Event",
    "Fault",
    "Gap",
    "Granted",
    "Heartbeat",
    "Lost",
    "Merged",
    "NewEpoch",
    "Notice",
    "Position",
    "Quote",
    "Refused",
    "Stamps",
    "Status",
    "Subscribed",
    "Trade",
    "Unanswered",
    "Unsubscribed",
    "Update",
)
