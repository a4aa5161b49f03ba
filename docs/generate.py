"""Writes the pages of docs/ that come from code. `--check` fails where a page is not what the code says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from songlens_shared.address import HOME_VARIABLE, URL_VARIABLE
from songlens_workers.settings import CONFIG_VARIABLE, SongsSettings, StageSettings, VisionSettings

DOCS = Path(__file__).resolve().parent

COMPUTED = {
    "redis_url": f"`{URL_VARIABLE}`, else what `songlens up` runs here, else `redis://localhost:6379`",
    "consumer": "host name and process id",
    "models": f"`${HOME_VARIABLE}/models`",
}


def configuration() -> str:
    """Return docs/configuration.md."""
    shared = StageSettings.model_fields
    own = {"Vision worker": VisionSettings, "Song worker": SongsSettings}
    parts = [
        "# Configuration",
        "",
        "Generated from the settings classes (`workers/songlens_workers/settings.py`) by `make docs`; do not edit.",
        "",
        "A setting is taken from the first of these that has it:",
        "",
        "1. the command line: an option of its own (`--max-batch 8`) or `--set NAME=VALUE` for any setting;",
        "2. the environment: `SONGLENS_` and the name in capitals (`SONGLENS_MAX_BATCH=8`);",
        f"3. the TOML file that `{CONFIG_VARIABLE}` names (`max_batch = 8`);",
        "4. the default.",
        "",
        "Settings are checked together when a worker starts; one that makes no sense ends it with status 2.",
        "",
        "## Both stages",
        "",
        *_table(dict(shared), _default_of(StageSettings)),
    ]
    for title, settings in own.items():
        fields = {
            name: field
            for name, field in settings.model_fields.items()
            if name not in shared or _shown(field) != _shown(shared[name])
        }
        parts += ["", f"## {title}", "", *_table(fields, _default_of(settings))]
    parts += [
        "",
        "## Other variables",
        "",
        "| variable | default | what |",
        "| --- | --- | --- |",
        f"| `{URL_VARIABLE}` | see `redis_url` | Address of Redis or Valkey, for clients and workers. |",
        f"| `{HOME_VARIABLE}` | `~/.songlens` | Folder of catalogues, models and the embedded server. |",
        f"| `{CONFIG_VARIABLE}` | none | TOML file with worker settings. |",
        "",
        "## Lane limits",
        "",
        "The depth and byte limits of the lanes are written to Redis by each vision worker when it starts; the submit",
        "function reads them there, so that all clients obey the same limits.",
        "",
    ]
    return "\n".join(parts)


def _default_of(settings: type[StageSettings]) -> Callable[[str], str]:
    def default(name: str) -> str:
        field = settings.model_fields[name]
        if name in COMPUTED:
            return COMPUTED[name]
        return "none" if field.default in (None, ()) else f"`{field.default}`"

    return default


def _shown(field: FieldInfo) -> tuple[object, object]:
    return (None if field.default is PydanticUndefined else field.default), field.description


def _table(fields: dict[str, FieldInfo], default: Callable[[str], str]) -> list[str]:
    rows = [f"| `{name}` | {default(name)} | {field.description} |" for name, field in fields.items()]
    return ["| setting | default | what |", "| --- | --- | --- |", *rows]


PAGES: dict[str, Callable[[], str]] = {"configuration.md": configuration}


def main() -> None:
    """Write or check every page."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"docs/{', docs/'.join(stale)} is not what the code says; run `make docs`.")


if __name__ == "__main__":
    main()
