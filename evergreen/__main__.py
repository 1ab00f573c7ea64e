"""`python -m evergreen` is the command too."""

import sys

from evergreen.cli import main

sys.exit(main())
