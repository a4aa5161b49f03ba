"""What the drills need of redis-cli: one command, its answer as lines.

python redis_line.py -u URL COMMAND [ARGUMENT ...]
"""

from __future__ import annotations

import sys

import redis


def main(arguments: list[str]) -> int:
    """Ask the server; 1 where it does not answer, as redis-cli."""
    assert arguments[0] == "-u"
    pool = redis.ConnectionPool.from_url(arguments[1], protocol=2)
    try:
        asked = pool.get_connection()
        asked.send_command(*arguments[2:])
        answer = asked.read_response()
    except redis.ResponseError as error:
        print(f"(error) {error}")
        return 0
    except redis.ConnectionError as error:
        print(f"Could not connect: {error}", file=sys.stderr)
        return 1
    for line in answer if isinstance(answer, list) else [answer]:
        print(line.decode() if isinstance(line, bytes) else line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
