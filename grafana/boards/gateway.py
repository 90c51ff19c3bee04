"""Gateway: who is connected, what they are given and how late, who falls behind, who is turned away."""

from typing import Final

from grafana.boards.board import GATEWAY, Board, Row
from grafana.boards.gateway_clients import DOOR, STATE
from grafana.boards.gateway_delays import DELAYS, PROCESSES
from grafana.boards.gateway_ticks import BEHIND, TICKS

GATEWAY_BOARD: Final = Board(
    GATEWAY,
    "Who is connected, what clients are given and how late, who falls behind, who is turned away.",
    (
        Row("Clients", STATE),
        Row("Ticks", TICKS),
        Row("Delays", DELAYS),
        Row("Clients that are behind, and what is missing", BEHIND),
        Row("Door", DOOR),
        Row("Processes", PROCESSES),
    ),
)
