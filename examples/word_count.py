"""Word count: reads lines, counts words, writes each word's running count.

    python examples/word_count.py                          embedded, over made-up lines, results on the terminal
    python examples/word_count.py --file README.md         embedded, over a file
    python examples/word_count.py --kafka localhost:9092   topic "lines" to topic "counts" (--in, --out)
    python examples/word_count.py --submit localhost:8081  on a cluster; --write FILE.pkl writes the job file, --explain prints the plan

KAFKA_BOOTSTRAP_SERVERS stands for --kafka.
"""

import argparse
import os

from headrace import FileSource, GeneratorSource, KafkaSink, KafkaSource, StreamExecutionEnvironment


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts words.", epilog="also: --submit HOST:PORT, --write FILE.pkl, --explain")
    parser.add_argument(
        "--kafka", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), help="bootstrap servers; reads and writes topics"
    )
    parser.add_argument("--in", dest="source", default="lines", help="topic to read")
    parser.add_argument("--out", dest="target", default="counts", help="topic to write")
    parser.add_argument("--bounded", action="store_true", help="stop at the end of the topic as it is now")
    parser.add_argument("--file", help="a file of lines to count instead")
    parser.add_argument("--lines", type=int, default=1000, help="made-up lines when there is neither file nor Kafka")
    parser.add_argument("--parallelism", type=int, default=1)
    options, _ = parser.parse_known_args()  # execute() reads --submit, --write and --explain itself

    env = StreamExecutionEnvironment("WordCount")
    env.set_parallelism(options.parallelism)
    env.enable_checkpointing(60000)
    if options.file:
        lines = env.add_source(FileSource(os.path.abspath(options.file)))
    elif options.kafka:
        stop_at = "latest" if options.bounded else None
        lines = env.add_source(KafkaSource(options.source, options.kafka, group_id="word-count", stop_at=stop_at))
    else:
        lines = env.add_source(GeneratorSource(options.lines, kind="words", vocabulary=100, words_per_row=5, seed=1))

    words = lines.flat_map(str.split).name("split")
    counts = (
        words.map(lambda word: (word, 1))
        .name("pair")
        .key_by(lambda pair: pair[0])
        .name("by word")
        .reduce(lambda a, b: (a[0], a[1] + b[1]))
        .name("count")
    )
    if options.kafka and not options.file:
        counts.add_sink(KafkaSink(options.target, options.kafka)).name("counts")
    else:
        counts.print().name("show")
    env.execute()


if __name__ == "__main__":
    main()
