"""A Dockerfile read as data, and what of a folder would be sent to its build."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "ops" / "docker" / "Dockerfile"


@dataclass
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """Return the arguments of every such instruction, in order."""
        return [value for name, value in self.instructions if name == instruction]


class Dockerfile:
    """Its stages by name."""

    def __init__(self, path: Path = DOCKERFILE) -> None:
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
        self.arguments: dict[str, str] = {}
        """Defaults of the ARGs before the first stage, and of those in stages."""
        self.stages: dict[str, Stage] = {}
        stage: Stage | None = None
        for line in "\n".join(lines).replace("\\\n", " ").splitlines():
            if not line.strip():
                continue
            instruction, _, value = re.sub(r"\s+", " ", line.strip()).partition(" ")
            if instruction == "ARG":
                name, _, default = value.partition("=")
                self.arguments[name] = default
            if instruction == "FROM":
                base, name = re.fullmatch(r"(\S+) AS (\S+)", value).groups()  # type: ignore[union-attr]
                stage = self.stages[name] = Stage(name, self._resolved(base))
            elif stage:
                stage.instructions.append((instruction, value))

    def _resolved(self, text: str) -> str:
        return re.sub(r"\$\{(\w+)\}", lambda found: self.arguments[found[1]], text)

    def chain(self, target: str) -> list[Stage]:
        """Return a stage after those that it stands on, the first one FROM an image."""
        stage = self.stages[target]
        return [*(self.chain(stage.base) if stage.base in self.stages else ()), stage]

    def last(self, target: str, instruction: str) -> str:
        """Return what an image has in the end of an instruction that goes over those before it."""
        return [value for stage in self.chain(target) for value in stage.values(instruction)][-1]

    def entrypoint(self, target: str) -> list[str]:
        """Return the command that an image starts."""
        words: list[str] = json.loads(self.last(target, "ENTRYPOINT"))
        return words

    def environment(self, target: str) -> dict[str, str]:
        """Return the variables that an image sets, PATH apart."""
        pairs = [
            pair.partition("=") for stage in self.chain(target) for env in stage.values("ENV") for pair in env.split()
        ]
        return {name: value for name, _, value in pairs if name != "PATH"}

    def copied(self, target: str) -> dict[str, Path]:
        """Return the files of ours in an image that a stage copies there one by one, by their paths in it."""
        pairs = [value.split() for stage in self.chain(target) for value in stage.values("COPY") if value[0] != "-"]
        return {to: ROOT / source for source, to in (pair for pair in pairs if len(pair) == 2) if to.startswith("/")}


def ignored(path: str, patterns: Path = ROOT / ".dockerignore") -> bool:
    """Say whether a file, named from the context's root, is left out: the last pattern that fits decides."""
    left_out = False
    for line in patterns.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if _regex(pattern).fullmatch(path):
            left_out = not line.startswith("!")
    return left_out


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern fits what it names and all beneath it; `*` stays within a folder, `**` does not."""
    parts = [re.escape(part).replace(r"\*", "[^/]*") if part != "**" else None for part in pattern.split("/")]
    body = "".join("(?:[^/]+/)*" if part is None else f"{part}/" for part in parts).removesuffix("/")
    return re.compile(f"{body}(?:/.*)?")
