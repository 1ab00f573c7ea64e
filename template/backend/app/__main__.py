"""Serves the application as its image does: `python -m app`, uvicorn's own options after it."""

import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Final

OPTIONS: Final = (
    *("--factory", "app.main:create_app", "--host", "0.0.0.0", "--port", "8000"),  # noqa: S104
    # The application itself logs requests, and decides by TRUSTED_PROXIES whose forwarding headers
    # count. Requests get 25 s to end, within the 30 s that orchestrators give before they kill.
    *("--no-access-log", "--no-proxy-headers", "--no-server-header"),
    *("--timeout-graceful-shutdown", "25"),
    # Longer than the 60 s for which balancers keep an idle connection: one that is closed here
    # while a request is on its way would be answered with 502 there. No --limit-concurrency: idle
    # connections would count, and its 503 does not say when to come back.
    *("--http", "app.core.server:Connection", "--timeout-keep-alive", "75"),
)
TRIAL: Final = "from app.main import create_app; create_app()"


def several_workers() -> bool:
    """Tell whether uvicorn will start more than one process."""
    given = {os.environ.get("WEB_CONCURRENCY", ""), os.environ.get("UVICORN_WORKERS", "")}
    return not given <= {"", "1"} or any(word.startswith("--workers") for word in sys.argv)


def end(number: int, frame: FrameType | None) -> None:
    """End while nothing is served yet. Once uvicorn serves, it handles the signal itself."""
    del number, frame
    sys.exit()


def main() -> None:
    """Serve until a signal ends it.

    Of several workers uvicorn starts each one anew that ends, also one that ends because of its
    settings, and so for ever. Therefore the application is made once beforehand, in a process that
    leaves nothing behind; a single worker says what is wrong by itself.
    """
    # Process 1 of a container is deaf to a signal that it does not handle: stopped while it starts,
    # it would serve on until it is killed. Importing uvicorn takes long enough to matter.
    signal.signal(signal.SIGTERM, end)
    if several_workers():
        trial = subprocess.run([sys.executable, "-c", TRIAL], check=False)  # noqa: S603
        if trial.returncode:
            sys.exit(trial.returncode)
    import uvicorn  # noqa: PLC0415

    uvicorn.main([*OPTIONS, *sys.argv[1:]])


if __name__ == "__main__":
    main()
