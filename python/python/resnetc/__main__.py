"""The command line: `python -m resnetc`, and the script `resnetc`."""

from __future__ import annotations

import signal
import sys

from resnetc import _native


def main() -> int:
    """Runs the command line with the arguments of the process, and returns its exit code."""
    # Python would notice Ctrl-C only after the command. Who started it may want it to be ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["resnetc", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
