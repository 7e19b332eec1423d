"""Writes the pickles beside this file: what a job file looks like in each protocol, and what must be refused.

Run it with any Python 3.10 or later: python3 tests/golden/job_file/make.py. A stand-in takes the place of the real class.
"""

import copyreg
import io
import os
import pickle
import pickletools
import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENT = b"HEADRACE and then some bytes"


class JobGraph:
    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return (JobGraph, (self.content,))


class WithState(JobGraph):
    def __reduce__(self):
        return (JobGraph, (self.content,), {"state": 1})


class OfText(JobGraph):
    def __reduce__(self):
        return (JobGraph, ("text",))


class OfTwo(JobGraph):
    def __reduce__(self):
        return (JobGraph, (self.content, 2))


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/headrace-was-here",))


class Plain:
    pass


class PersistentPickler(pickle.Pickler):
    def persistent_id(self, obj):
        return "id" if isinstance(obj, bytes) else None


def stand_in():
    module = types.ModuleType("headrace.job_graph")
    module.JobGraph = JobGraph
    JobGraph.__module__ = "headrace.job_graph"
    JobGraph.__qualname__ = "JobGraph"
    sys.modules["headrace"] = types.ModuleType("headrace")
    sys.modules["headrace.job_graph"] = module


def persistent():
    buffer = io.BytesIO()
    PersistentPickler(buffer, 4).dump(JobGraph(CONTENT))
    return buffer.getvalue()


def extension():
    copyreg.add_extension("headrace.job_graph", "JobGraph", 250)
    try:
        return pickle.dumps(JobGraph(CONTENT), 4)
    finally:
        copyreg.remove_extension("headrace.job_graph", "JobGraph", 250)


def main():
    stand_in()
    graph = JobGraph(CONTENT)
    files = {f"good_protocol_{p}": pickle.dumps(graph, p) for p in (3, 4, 5)}
    files |= {f"good_protocol_{p}_pure_python": pickle._dumps(graph, p) for p in (3, 4, 5)}
    files["good_optimized"] = pickletools.optimize(pickle.dumps(graph, 5))
    files["good_empty_bytes"] = pickle.dumps(JobGraph(b""), 4)
    files |= {f"bad_protocol_{p}": pickle.dumps(graph, p) for p in (0, 1, 2)}
    files |= {f"bad_os_system_protocol_{p}": pickle.dumps(Evil(), p) for p in (0, 2, 3, 4, 5)}
    files["bad_state"] = pickle.dumps(WithState(CONTENT), 4)
    files["bad_text_argument"] = pickle.dumps(OfText(CONTENT), 4)
    files["bad_two_arguments"] = pickle.dumps(OfTwo(CONTENT), 4)
    files["bad_two_graphs"] = pickle.dumps((graph, JobGraph(b"other")), 4)
    files["bad_graph_and_code"] = pickle.dumps((graph, Evil()), 4)
    files["bad_code_and_graph"] = pickle.dumps((Evil(), graph), 4)
    files["bad_graph_in_dict"] = pickle.dumps({"job": graph, "n": (1, 2.5, None, True, 10**30)}, 4)
    files["bad_graph_in_list"] = pickle.dumps([graph], 4)
    files["bad_class_only"] = pickle.dumps(JobGraph, 4)
    files["bad_other_class"] = pickle.dumps(Plain(), 4)
    files["bad_bytes_only"] = pickle.dumps(CONTENT, 4)
    files["bad_bytearray"] = pickle.dumps(JobGraph(bytearray(CONTENT)), 5)
    files["bad_persistent_id"] = persistent()
    files["bad_extension"] = extension()
    files["bad_trailing"] = pickle.dumps(graph, 4) + b"more"
    files["bad_second_pickle"] = pickle.dumps(graph, 4) + pickle.dumps(Evil(), 4)
    files["bad_text_file"] = b"from headrace import StreamExecutionEnvironment\n"
    files["bad_zeros"] = bytes(100)
    for name, content in files.items():
        (HERE / f"{name}.pkl").write_bytes(content)


if __name__ == "__main__":
    main()
