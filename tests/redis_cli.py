"""Stands for redis-cli where there is none: -e -p PORT --user NAME, the password in REDISCLI_AUTH, and one command."""

from __future__ import annotations

import argparse
import os
import sys

import redis

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-e", action="store_true", required=True, help="an answer that is an error is status 1")
    parser.add_argument("-p", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    try:
        with redis.Redis(port=given.p, username=given.user, password=os.environ["REDISCLI_AUTH"]) as server:
            sys.stdout.write(f"{server.execute_command(*given.command)}\n")
    except redis.RedisError as error:
        sys.exit(str(error))
