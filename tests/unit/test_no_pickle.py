"""No pickle crosses a process: nothing that workers, clients or jobs run can unpickle anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import songlens
import songlens_shared
import songlens_training
import songlens_workers

DANGEROUS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
PACKAGES = (songlens, songlens_shared, songlens_workers, songlens_training)
READERS = {
    # a public package's file, by an unpickler that admits no class
    "songlens_training/evaluate/similar/synonym_package.py",
    # the dictionary, packed for the child processes that segment lyrics
    "songlens_training/keywords/dictionary.py",
    # the name of an error alone: numba's cache is this machine's own
    "songlens_training/jit.py",
}


def imported(source: str) -> Iterator[str]:
    """Yield the top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_no_module_imports_pickle() -> None:
    """But for three files of the training package, each with its reason above."""
    found = set()
    for package in PACKAGES:
        folder = Path(str(package.__file__)).parent
        for path in folder.rglob("*.py"):
            if DANGEROUS & set(imported(path.read_text(encoding="utf-8"))):
                found.add(path.relative_to(folder.parent).as_posix())
    assert found == READERS


def test_it_would_be_seen() -> None:
    """In any form of import."""
    for line in (
        "import pickle",
        "def f():\n    from pickle import loads",
        "import dill.source as s",
        "import os, shelve",
    ):
        assert DANGEROUS & set(imported(line)), line


def test_arrays_are_read_without_pickle() -> None:
    """Every `np.load` says so itself."""
    for package in PACKAGES:
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                    said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                    assert said.get("allow_pickle") == "False", f"{path}:{node.lineno}"
