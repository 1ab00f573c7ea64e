"""Runs the companion and kills it (SIGKILL) right before its n-th effect on the disk: python killer.py N COMMAND...

Python reports every effect to audit hooks, so that no code of the companion is there for the test's sake. Prints nothing; the
effects are counted into the file named by KILLER_COUNT when the command ends by itself.
"""

import os
import signal
import sys
from pathlib import Path

EFFECTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "subprocess.Popen", "shutil.copyfile"}


def main() -> int:
    limit, arguments = int(sys.argv[1]), sys.argv[2:]
    seen = 0
    listening = False

    def hook(event: str, given: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(given[1], str) and any(letter in given[1] for letter in "wxa")
        if listening and (event in EFFECTS or writes):
            seen += 1
            if seen == limit:
                os.kill(os.getpid(), signal.SIGKILL)

    from evergreen.cli import main as run  # noqa: PLC0415  importing has effects, too

    sys.addaudithook(hook)
    listening = True
    status = run(arguments)
    listening = False
    if counted := os.environ.get("KILLER_COUNT"):
        Path(counted).write_text(str(seen))
    return status


if __name__ == "__main__":
    sys.exit(main())
