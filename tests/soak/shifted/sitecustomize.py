"""Python imports this at its start when this folder is on PYTHONPATH: the clock then goes wrong as a file says.

SHIFT_FILE names a file with seconds to add to time.time(); it is read each time, so the clock jumps while jobs run.
SQLite, file times and the monotonic clock stay as they are: none of them orders anything in the studio.
"""

import os
import time
from pathlib import Path

_file = Path(os.environ["SHIFT_FILE"])
_time, _time_ns = time.time, time.time_ns


def _shift_s() -> float:
    try:
        return float(_file.read_text() or 0)
    except OSError:
        return 0.0


time.time = lambda: _time() + _shift_s()
time.time_ns = lambda: _time_ns() + int(_shift_s() * 1e9)
