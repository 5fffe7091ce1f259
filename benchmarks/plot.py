"""Bars of what was measured, as an SVG that README shows."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "einlass"
mpl.rcParams["font.family"] = "sans-serif"

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first


def bars(title: str, values: Mapping[str, float], path: Path) -> None:
    """One bar a case; a line at 1, the baseline."""
    names = list(values)[::-1]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(names) + 1.2))
    colours = ["#9aa5a8" if name.startswith("echo") else "#0b5563" for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours)
    axes.bar_label(drawn, fmt="%.2f", padding=4)
    axes.axvline(1, color="#1d2427", linewidth=0.8)
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
