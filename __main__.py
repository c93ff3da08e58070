"""``python -m pytensor_stabilize``: see `pytensor_stabilize.graphs.cli.command`."""

import sys

from pytensor_stabilize.graphs.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
