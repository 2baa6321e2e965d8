"""`python -m autograder`; see `cli.py`."""

import sys

from .safe_path import leave_out_current_folder

if __name__ == "__main__":
    leave_out_current_folder()
    from .cli import main

    sys.exit(main())
