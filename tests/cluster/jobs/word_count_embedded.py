"""The same word count, run embedded: word_count_embedded.py '{…}'; brokers from KAFKA_BOOTSTRAP_SERVERS."""

import json
import sys

from word_count import build

if __name__ == "__main__":
    result = build(**json.loads(sys.argv[1])).execute()
    print(result)
