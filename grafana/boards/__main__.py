"""`python -m grafana.boards`: writes the dashboards; into another folder, where one is given."""

import sys
from pathlib import Path

from grafana.boards.files import texts

DASHBOARDS = Path(__file__).resolve().parent.parent / "dashboards"


def main(folder: Path) -> None:
    for name, text in texts().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DASHBOARDS)
