"""Reads JSON lines, drops what is not needed, reshapes the rest, writes JSON lines.

    python examples/json_filter.py [FOLDER_OR_FILE [OUT_FOLDER]]

Without arguments it makes a small input of its own. Lines that are not JSON are counted and skipped.
"""

import json
import os
import sys
import tempfile

from headrace import FileSink, FileSource, StreamExecutionEnvironment


def is_expensive(order: dict) -> bool:
    return order["price"] * order["quantity"] >= 100


def summarise(order: dict) -> dict:
    return {"id": order["id"], "total": order["price"] * order["quantity"]}


def make_input() -> str:
    path = os.path.join(tempfile.mkdtemp(prefix="headrace-"), "orders.jsonl")
    with open(path, "w") as f:
        for i in range(100):
            f.write(json.dumps({"id": i, "price": i * 0.5, "quantity": i % 7}) + "\n")
    return path


def main() -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    source = arguments[0] if arguments else make_input()
    env = StreamExecutionEnvironment("ExpensiveOrders")
    orders = env.add_source(FileSource(source, "json", on_error="skip"), name="orders")
    totals = orders.filter(is_expensive).map(summarise)
    if len(arguments) > 1:
        totals.add_sink(FileSink(arguments[1], "json"))
    else:
        totals.print()
    env.execute()


if __name__ == "__main__":
    main()
