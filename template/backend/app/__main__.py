"""Serves the application as its image does: `python -m app`, uvicorn's own options after it."""

import os
import subprocess
import sys
from typing import Final

OPTIONS: Final = (
    *("--factory", "app.main:create_app", "--host", "0.0.0.0", "--port", "8000"),  # noqa: S104
    # The application itself logs requests, and decides by TRUSTED_PROXIES whose forwarding headers
    # count. Requests get 25 s to end, within the 30 s that orchestrators give before they kill.
    *("--no-access-log", "--no-proxy-headers", "--no-server-header"),
    *("--timeout-graceful-shutdown", "25"),
)
TRIAL: Final = "from app.main import create_app; create_app()"


def several_workers() -> bool:
    """Tell whether uvicorn will start more than one process."""
    given = {os.environ.get("WEB_CONCURRENCY", ""), os.environ.get("UVICORN_WORKERS", "")}
    return not given <= {"", "1"} or any(word.startswith("--workers") for word in sys.argv)


def main() -> None:
    """Become uvicorn, so that signals reach it.

    Of several workers uvicorn starts each one anew that ends, also one that ends because of its
    settings, and so for ever. Therefore the application is made once beforehand, in a process that
    leaves nothing behind; a single worker says what is wrong by itself.
    """
    if several_workers():
        trial = subprocess.run([sys.executable, "-c", TRIAL], check=False)  # noqa: S603
        if trial.returncode:
            sys.exit(trial.returncode)
    command = [sys.executable, "-m", "uvicorn", *OPTIONS, *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - uvicorn, with the operator's own options


if __name__ == "__main__":
    main()
