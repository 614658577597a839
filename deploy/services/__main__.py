"""`python -m deploy.services kafka kinesis s3`: starts services, says where they are, ends them at a signal."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from deploy.services.found import SERVICES, service
from deploy.services.process import ServiceError


def main(names: Sequence[str]) -> int:
    """Serve until a signal; 1 when a service cannot be had, 2 when there is none of the name."""
    if not names or not set(names) <= SERVICES.keys():
        sys.stderr.write(f"usage: python -m deploy.services NAME..., of {', '.join(SERVICES)}\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _serve(names)
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _serve(names: Sequence[str]) -> None:
    with ExitStack() as stack:
        for name in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
            kind = SERVICES[name]
            is_there = bool(os.environ.get(kind.variable))
            address = stack.enter_context(service(name, folder))
            shown = {kind.variable: address, **({} if is_there else kind.environ)}
            sys.stdout.write("".join(f"{variable}={value}\n" for variable, value in shown.items()))
            sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
