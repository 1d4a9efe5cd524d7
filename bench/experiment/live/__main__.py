"""Starts the process of the live page: `python -m bench.experiment.live CONFIG`.

`CONFIG` is the path of a JSON file (`config.LiveConfig`). The process reports over its control channel
(`bench.lifeline`) when the page can be opened, and ends when it is asked to or when the runner is gone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.errors import UserError
from bench.experiment.live.config import LiveConfig
from bench.experiment.live.site import Site
from bench.lifeline import Lifeline
from bench.scenario.parsing import validated
from bench.serving.chassis import watch


async def serve(config: LiveConfig, lifeline: Lifeline | None) -> None:
    """Serve the page until the process is asked to stop."""
    stop = asyncio.Event()
    watch(lifeline, stop)
    async with Site(config):
        if lifeline is not None:
            lifeline.send({"ready": {"port": config.port}})
        await stop.wait()
    if lifeline is not None:
        lifeline.send({"done": {}})


def main(path: Path) -> int:
    """Run the process and return its exit status: 0, or 2 for a user's mistake."""
    try:
        config = validated(LiveConfig, json.loads(path.read_text(encoding="utf-8")), str(path))
        asyncio.run(serve(config, Lifeline.from_environment()))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
