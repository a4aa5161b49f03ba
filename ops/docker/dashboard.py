"""Settings of rq-dashboard: by itself it takes a password from the environment or a command line, not from a file."""

import os
from pathlib import Path
from urllib.parse import quote

_user, _, _server = os.environ["SONGLENS_REDIS_URL"].rpartition("@")
_password = Path(os.environ["SONGLENS_REDIS_PASSWORD_FILE"]).read_text("utf-8").rstrip("\r\n")

RQ_DASHBOARD_REDIS_URL = f"{_user}:{quote(_password, safe='')}@{_server}"
