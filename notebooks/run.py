#!/usr/bin/env python3
"""Runs the notebooks of this folder from top to bottom without a browser, as continuous integration does.

    run.py --out DIR [--lake PLACE] [NOTEBOOK ...]   runs them; DIR gets a page of HTML, the figures as PNG, and the key figures as JSON
    run.py --strip [NOTEBOOK ...]                    takes outputs and counters out of the files, as they are kept in git

Ends with 1 when a cell fails, with the cell and its traceback, or when a figure is blank.
"""

import argparse
import base64
import io
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = "application/vnd.hongniang.figures+json"
#: What colours tracebacks on a terminal.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="all of this folder, when left out")
    parser.add_argument("--out", type=Path, help="where what comes of it is written; made if need be")
    parser.add_argument("--lake", help="the lake, a folder or a URL; HONGNIANG_LAKE or that of `make up`, when left out")
    parser.add_argument("--strip", action="store_true", help="run nothing, take outputs out of the files")
    parser.add_argument("--timeout", type=int, default=600, metavar="SECONDS", help="for a cell (default: 600)")
    args = parser.parse_args()
    args.notebooks = args.notebooks or sorted(HERE.glob("[0-9]_*.ipynb"))
    if not args.strip and args.out is None:
        parser.error("--out is needed: outputs are not kept beside the notebooks")
    return args


def strip(path: Path) -> None:
    import nbformat

    book = nbformat.read(path, as_version=4)
    for number, cell in enumerate(book.cells, 1):
        cell["id"] = f"cell-{number}"
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(book)
    nbformat.write(book, path)


def execute(path: Path, timeout: int):
    """The notebook with its outputs. The error of a cell has its source and traceback in it."""
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="hn") as sockets:
        # The kernel is spoken to by sockets in a folder of the user's, not by TCP, which anybody on the machine could speak to.
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        NotebookClient(book, config=config, kernel_name="python3", timeout=timeout, resources={"metadata": {"path": str(HERE)}}).execute()
    return book


def is_blank(png: bytes) -> bool:
    """Whether a picture has all but one colour: axes without anything in them have a few pixels of ink."""
    import matplotlib.image
    import numpy as np

    pixels = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    ink = np.abs(pixels - pixels[0, 0]).max(axis=-1) > 0.1
    return bool(ink.mean() < 0.01)


def outputs(book):
    return (output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs)


def write(book, name: str, out: Path) -> tuple[int, list[str]]:
    """Writes HTML, pictures and key figures; how many pictures there are, and which of them are blank."""
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(template_name="lab", embed_images=True).from_notebook_node(book)
    (out / f"{name}.html").write_text(page, encoding="utf-8")
    pictures, blank, figures = 0, [], {}
    for output in outputs(book):
        if output.get("name") == "stderr":
            print(f"{name}: a cell warns: {output['text'].strip()}", file=sys.stderr)
        data = output.get("data", {})
        if "image/png" in data:
            pictures += 1
            png = base64.b64decode(data["image/png"])
            (out / f"{name}_{pictures}.png").write_bytes(png)
            blank += [f"{name}_{pictures}.png"] if is_blank(png) else []
        figures |= data.get(FIGURES, {})
    (out / f"{name}.json").write_text(json.dumps({"pictures": pictures, "figures": figures}, ensure_ascii=False, indent=1))
    return pictures, blank


def main() -> int:
    args = arguments()
    if args.strip:
        for path in args.notebooks:
            strip(path)
        return 0
    if args.lake:
        os.environ["HONGNIANG_LAKE"] = args.lake if "://" in args.lake else str(Path(args.lake).resolve())
    from nbclient.exceptions import CellExecutionError

    args.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for path in args.notebooks:
        begun = time.monotonic()
        try:
            book = execute(path, args.timeout)
        except CellExecutionError as error:
            print(f"{path.name}: a cell failed\n{COLOUR.sub('', str(error))}", file=sys.stderr)
            failed = True
            continue
        pictures, blank = write(book, path.stem, args.out)
        print(f"{path.name}: {len(book.cells)} cells, {pictures} figures, {time.monotonic() - begun:.1f} s, {args.out / path.stem}.html", flush=True)
        if blank:
            print(f"{path.name}: blank figures: {', '.join(blank)}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
