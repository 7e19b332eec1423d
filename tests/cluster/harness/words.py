"""Lines of skewed words, and the truth about them."""

from __future__ import annotations

import itertools
import random
from collections import Counter

WORDS_A_LINE = 20
VOCABULARY = 100_000


class Lines:
    """The same seed gives the same lines. The first words are far more frequent than the last: weight 1 / (rank + 10)."""

    def __init__(self, lines: int, seed: int = 7, vocabulary: int = VOCABULARY) -> None:
        words = [f"w{n:x}" for n in range(vocabulary)]
        cumulative = list(itertools.accumulate(1.0 / (rank + 10) for rank in range(vocabulary)))
        drawn = random.Random(seed).choices(words, cum_weights=cumulative, k=lines * WORDS_A_LINE)
        self.lines = [" ".join(drawn[at : at + WORDS_A_LINE]) for at in range(0, len(drawn), WORDS_A_LINE)]
        self.truth = dict(Counter(itertools.chain.from_iterable(line.split() for line in self.lines)))


def differences(truth: dict[str, int], counted: dict[str, int]) -> str:
    """Empty when equal; otherwise the first few words that differ."""
    wrong = [(w, truth.get(w), counted.get(w)) for w in truth.keys() | counted.keys() if truth.get(w) != counted.get(w)]
    return (
        ""
        if not wrong
        else f"{len(wrong)} of {len(truth)} words differ, e.g. (word, true, counted): {sorted(wrong, key=str)[:5]}"
    )
