"""A vocabulary of pieces, and each of them said by shorter ones: "▁walking" as "▁walk" "ing".

MaxMatch-Dropout (Hiraoka, COLING 2022) on every piece by itself: the longest beginning that the vocabulary has is
taken, unless chance drops it for the next shorter one. BPE-dropout (Provilkov et al., ACL 2020) and sub-word
regularisation (Kudo, ACL 2018) are after the same, with the tokenizer's own merges and likelihoods. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SPACES = {"▁", "Ġ"}  # pieces that are only a space
Ways = list[list[tuple[int, int]]]  # from each character on: where a piece ends and its id, the longest first


class Pieces:
    """``tokens``: every piece by its id, "" for a special one; ``mark``: what a piece inside a word begins with.

    ``frame``: how many ids at the start of a text are not its own (a start, a prefix); ``longest``: most ids of a text.
    """

    def __init__(self, tokens: Sequence[str], mark: str = "", frame: int = 1, longest: int = 128) -> None:
        self.tokens, self.mark, self.frame, self.longest = tokens, mark, frame, longest
        self._ids = {token: id for id, token in enumerate(tokens) if token}
        self._ways: dict[int, Ways] = {}

    def shorter(self, piece: int, rate: float, random: np.random.Generator) -> list[int]:
        """Shorter pieces that join to this one, each longer one dropped with probability ``rate``.

        It alone where there are none. The shortest that can be gone on from is never dropped.
        """
        if piece not in self._ways:
            self._ways[piece] = self._all(piece)
        ways = self._ways[piece]
        found: list[int] = []
        place = 0
        while place < len(ways):
            some = ways[place][1:] if place == 0 and len(ways[0]) > 1 else ways[place]
            chosen = next((one for one in some[:-1] if random.random() >= rate), some[-1])
            place = chosen[0]
            found.append(chosen[1])
        return found or [piece]

    def _all(self, piece: int) -> Ways:
        """Only ways that lead to the end of the piece; [] for a special one."""
        token = self.tokens[piece]
        inside = bool(self.mark) and token.startswith(self.mark)
        text = token.removeprefix(self.mark) or token
        ways: Ways = [[] for _ in text]
        for start in reversed(range(len(text))):
            mark = self.mark if inside or start else ""
            for end in range(len(text), start, -1):
                id = self._ids.get(mark + text[start:end])
                if id is not None and (end == len(text) or ways[end]):
                    ways[start].append((end, id))
        return ways

    def text(self, piece: int) -> str:
        """What a piece writes, without its marks; "" for a special one."""
        return self.tokens[piece].removeprefix(self.mark).lstrip("▁Ġ")

    def first(self, ids: Sequence[int]) -> int:
        """The place among such ids of the one that a word is read at: the first that is more than a space."""
        return next((place for place, id in enumerate(ids) if self.tokens[id] not in SPACES), 0)
