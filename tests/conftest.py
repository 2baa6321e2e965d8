"""For every test: one thread a process, so that pytest-xdist may run one process a core."""

import os
import sys

# Before anything imports torch, and for the programs that tests start.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

if "torch" in sys.modules:
    # A plugin was quicker than this file.
    sys.modules["torch"].set_num_threads(1)
