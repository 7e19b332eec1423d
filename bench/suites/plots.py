"""Curves beside the tables of bench/results/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"


def line_plot(name: str, x: str, y: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], log: bool = True) -> None:
    """bench/results/NAME.svg; nothing when matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("bench: no plot, matplotlib is not installed")
        return
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = name
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    for label, (xs, ys) in curves.items():
        axes.plot(xs, ys, marker="o", label=label)
    if log:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
