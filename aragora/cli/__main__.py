"""`python -m aragora.cli` is the `aragora` command."""

import sys

from aragora.cli.main import main

sys.exit(main())
