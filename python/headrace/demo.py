"""The job that ``headrace demo`` shows: words from a generator, counted by key. Writes its job file to standard output."""

from __future__ import annotations

import sys

from headrace import CollectSink, GeneratorSource, StreamExecutionEnvironment


def build(parallelism: int, rows_per_second: int) -> StreamExecutionEnvironment:
    """A word count over generated lines. `rows_per_second` is lines a second in all; 0 means as fast as it goes."""
    env = StreamExecutionEnvironment("Demo word count")
    env.set_parallelism(parallelism)
    lines = env.add_source(
        GeneratorSource(kind="words", rows_per_second=rows_per_second, words_per_row=10, vocabulary=5000)
    ).name("lines")
    counts = (
        lines.flat_map(str.split)
        .name("split")
        .map(lambda word: (word, 1))
        .name("pair")
        .key_by(lambda pair: pair[0])
        .reduce(lambda a, b: (a[0], a[1] + b[1]))
        .name("count")
    )
    counts.add_sink(CollectSink()).name("results")
    return env


if __name__ == "__main__":
    env = build(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.buffer.write(env.get_job_graph().to_pickle())
