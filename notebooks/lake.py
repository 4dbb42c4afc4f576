"""What every notebook here begins with: the lake's tables in DuckDB, figures that can draw Chinese, and a few intervals.

`HONGNIANG_LAKE` names the lake, a folder or a URL that DuckDB can read (`s3://...`); by default it is that of `make up`.
"""

import base64
import json
import logging
import os
from pathlib import Path
from statistics import NormalDist

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from matplotlib import font_manager

LAKE = os.environ.get("HONGNIANG_LAKE", str(Path.home() / ".local/share/hongniang/lake"))

#: Every table there can be; one without any event yet has no folder (docs/EVENTS.md has the columns).
TABLES = ["interactions", "moments", "profiles", "presence", "messages", "decks", "pages", "embeddings", "portraits", "portrait_days", "dead_letters"]

# --- tables ----------------------------------------------------------------------------------------------------------


def files(table: str) -> str:
    """The pattern that all files of a table match: a folder for each day, `dt=YYYY-MM-DD`, in UTC."""
    return f"{LAKE.rstrip('/')}/{table}/dt=*/*.parquet"


def connect(*needed: str) -> duckdb.DuckDBPyConnection:
    """DuckDB with a view for each table of the lake that has rows. Times are UTC.

    Stops with what to do when there is no lake, or when a table that is `needed` has no rows yet.
    """
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    found = [table for table in TABLES if db.execute("SELECT count(*) FROM glob(?)", [files(table)]).fetchone()[0]]
    if not found:
        raise FileNotFoundError(f"there is no lake at {LAKE}: run `make up` (or set HONGNIANG_LAKE), and wait a minute for the first files")
    for missing in (table for table in needed if table not in found):
        why = {
            "decks": "Pages are logged when people are shown somebody: `make up` lets the people of its town use the app for some evenings, which "
                     "takes a few minutes",
            "portraits": "They are kept unless lake.portraits is off",
        }  # fmt: skip
        raise FileNotFoundError(f"the lake at {LAKE} has no `{missing}` yet. {why.get(missing, 'Nothing of the kind has happened')}. Files follow within a minute")
    for table in found:
        # By name: files written before a column was added have nulls there.
        db.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files(table)}', hive_partitioning = true, union_by_name = true)"
        )
    return db


def vector(column: pd.Series) -> np.ndarray:
    """Vectors of portraits as rows of a matrix: `{"scale": ..., "codes": ...}`, the codes one signed byte a dimension in base64."""
    wires = column.map(lambda wire: json.loads(wire) if isinstance(wire, str) else wire)
    rows = [np.frombuffer(base64.b64decode(wire["codes"]), dtype=np.int8) * np.float32(wire["scale"]) for wire in wires]
    return np.vstack(rows).astype(np.float32)


# --- figures ---------------------------------------------------------------------------------------------------------

#: Okabe and Ito's colours, told apart by the colour-blind, too; the first for what matters, grey for what it is compared with.
BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8A8A8A"
COLOURS = [BLUE, ORANGE, GREEN, PINK, SKY, RED]

#: Fonts with Chinese characters, whichever of them is installed.
CHINESE = ["Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang SC",
           "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Droid Sans Fallback"]  # fmt: skip


def style() -> str | None:
    """Sets how figures look. The font for Chinese; none, after saying so, where there is no such font and boxes are drawn instead."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    chinese = next((name for name in CHINESE if name in known), None)
    if chinese is None:
        print("No font with Chinese characters is installed: they appear as boxes. `deploy/python.sh` installs fonts-wqy-microhei on Debian.")
    # The font for Chinese has one weight, which need not be said under every figure.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    plt.rcParams.update({
        "font.family": ["DejaVu Sans"] + ([chinese] if chinese else []),
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": "#e4e4e4", "grid.linewidth": 0.8,
        "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 10,
        "axes.labelsize": 10, "font.size": 10, "legend.frameon": False,
        "figure.figsize": (9, 4), "figure.dpi": 100, "figure.constrained_layout.use": True,
    })  # fmt: skip
    return chinese


def caption(text: str) -> None:
    """Words under a figure: what it shows and how to read it."""
    plt.show()
    display(HTML(f"<p style='max-width:56em;color:#555;font-size:92%;margin:2px 0 14px'><b>Figure.</b> {text}</p>"))


def dates(axis) -> None:
    """Days on the horizontal axis, written short."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=10)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def label(axis, points: np.ndarray, words, colours, size: float = 9) -> None:
    """Writes words beside points, pushed apart until none lies on another; a hair leads from a word that had to move to its point."""
    figure = axis.figure
    figure.canvas.draw()  # only then the axes have their place
    pixel = axis.transData.transform(points)
    unit = size * figure.dpi / 72
    width = np.array([sum(1.0 if ord(sign) > 0x2E7F else 0.58 for sign in word) for word in words]) * unit + 4
    height = 1.25 * unit
    place = pixel + [6, -0.5 * height]
    for _ in range(400):
        dx = np.minimum(place[:, None, 0] + width[:, None], place[None, :, 0] + width) - np.maximum(place[:, None, 0], place[None, :, 0])
        dy = height - np.abs(place[:, None, 1] - place[None, :, 1])
        over = (dx > 0) & (dy > 0)
        np.fill_diagonal(over, False)
        if not over.any():
            break
        up = np.sign(place[:, None, 1] - place[None, :, 1])
        up = np.where(up == 0, np.sign(np.arange(len(words))[:, None] - np.arange(len(words))), up)
        place[:, 1] += (0.3 * over * up * dy).sum(axis=1)
    place = axis.transData.inverted().transform(place)
    for point, to, word, colour in zip(points, place, words, colours):
        axis.annotate(word, point, xytext=to, textcoords="data", fontsize=size, color=colour, va="bottom",
                      arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.25, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0})  # fmt: skip


# --- statistics ------------------------------------------------------------------------------------------------------


def z(level: float = 0.95) -> float:
    """How many standard errors a two-sided normal interval of this level reaches."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(k, n, level: float = 0.95):
    """Wilson's interval of a proportion, `k` of `n`: low and high, between 0 and 1; the whole range where `n` is 0."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    reach, safe = z(level), np.maximum(n, 1)
    middle = (k + reach**2 / 2) / (safe + reach**2)
    half = reach / (safe + reach**2) * np.sqrt(k * (safe - k) / safe + reach**2 / 4)
    return np.where(n > 0, middle - half, 0.0).clip(0, 1), np.where(n > 0, middle + half, 1.0).clip(0, 1)


def gini(counts) -> float:
    """How unevenly something is spread: 0 when everybody has the same, towards 1 when one has all. Those who have none count, too."""
    x = np.sort(np.asarray(counts, dtype=float))
    if x.size == 0 or x.sum() == 0:
        return float("nan")
    return float((2 * np.arange(1, x.size + 1) - x.size - 1) @ x / (x.size * x.sum()))


def rate(frame: pd.DataFrame, k: str, n: str, per: float = 1.0) -> pd.DataFrame:
    """The frame with `rate`, `low` and `high`: `k` of `n`, times `per`, with Wilson's interval."""
    low, high = wilson(frame[k], frame[n])
    return frame.assign(rate=per * frame[k] / frame[n].where(frame[n] > 0), low=per * low, high=per * high)


def whiskers(frame: pd.DataFrame) -> np.ndarray:
    """Error bars of `rate` for matplotlib."""
    return np.vstack([frame["rate"] - frame["low"], frame["high"] - frame["rate"]]).clip(0)


# --- key figures -----------------------------------------------------------------------------------------------------

#: Where `run.py` and the tests find the key figures of a notebook among its outputs.
FIGURES = "application/vnd.hongniang.figures+json"


def key_figures(**figures) -> None:
    """Shows the figures a notebook comes to, as a table and for programs: the tests hold them to `hongniang query`."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in figures.items()}

    def shown(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if isinstance(value, float) else str(value)

    table = pd.DataFrame({"value": [shown(v) for v in plain.values()]}, index=[name.replace("_", " ") for name in plain])
    display({FIGURES: plain, "text/html": table.to_html(), "text/plain": table.to_string()}, raw=True)
