"""All dashboards, and the files that are made of them."""

import json
from typing import Final

from grafana.boards.board import Board, dashboard
from grafana.boards.gateway import GATEWAY_BOARD
from grafana.boards.ingest import INGEST_BOARD
from grafana.boards.overview import OVERVIEW_BOARD
from grafana.boards.redis_and_bus import REDIS_BOARD

BOARDS: Final[tuple[Board, ...]] = (OVERVIEW_BOARD, INGEST_BOARD, GATEWAY_BOARD, REDIS_BOARD)


def texts() -> dict[str, str]:
    """The files' text by their names."""
    return {board.file: json.dumps(dashboard(board), indent=1, ensure_ascii=False) + "\n" for board in BOARDS}
