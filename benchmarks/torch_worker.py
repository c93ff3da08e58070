"""The process that computes with PyTorch; `torch_side.py` starts it and asks.

It writes a pickled pair for each request, and one of itself when it is ready: whether all went
well, and the value or what is wrong.
"""

import os
import pickle
import sys
from typing import Any


def main() -> None:
    # What libraries print must not stand among the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def reply(done: bool, value: Any) -> None:
        pickle.dump((done, value), replies)
        replies.flush()

    try:
        from torch_service import Service, first_line
    except ImportError as error:
        return reply(False, str(error))
    service = Service()
    reply(True, service.version())
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return None
        try:
            value = getattr(service, name)(*arguments)
        except Exception as error:
            reply(False, first_line(error))
        else:
            reply(True, value)


if __name__ == "__main__":
    main()
