"""What holds for the whole suite."""

from __future__ import annotations

import signal

# A suite started in the background of a shell ignores Ctrl-C, and its children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
