"""The ``jaxq`` command: ``python -m jaxq`` or the console script."""

import os
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with ``argv`` (default: that of the process); returns the exit code."""
    if sys.stderr is None:  # closed: what would be said there is lost, the result is not
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    from jaxq.cli.app import INTERRUPTED, call

    code = call(sys.argv[1:] if argv is None else argv)
    if argv is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # all is done
        if code == INTERRUPTED:
            # after an interrupted compilation jaxlib 0.10 crashes while the interpreter shuts down
            sys.stderr.flush()
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
