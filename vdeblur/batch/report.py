"""Results of a batch: a table for the terminal, report.json for programs, report.html for people."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TypedDict

from ..files import write_json, write_text, writing
from ..media.image_files import bytes_of
from ..progress import size_text
from .collect import Item
from .scheduler import BatchRun
from .task import Task, TaskStatus

STATUS = {
    "done": "restored",
    "damaged": "restored, input damaged",
    "passed": "restored in part",
    "failed": "failed",
    "skipped": "already done",
    "foreign": "left alone",
    "waiting": "not started",
    "running": "not finished",
}


class FileReport(TypedDict):
    """One file in report.json; None where a figure is unknown."""

    input: str
    output: str
    status: TaskStatus
    frames: int | None
    fps: float | None
    segments: int | None
    passed_through: int | None
    touched: int | None
    concealed: int | None
    blur_before: float | None
    blur_after: float | None
    model: str | None
    device: str | None
    error: str | None
    notes: list[str]


class Report(TypedDict):
    """The contents of report.json."""

    seconds: float
    frames: int
    """Restored by this run."""
    counts: dict[str, int]
    """Number of files by status."""
    files: list[FileReport]


def file_report(task: Task) -> FileReport:
    """What the report says of one file."""
    result = task.result
    return {
        "input": task.item.input,
        "output": task.item.output,
        "status": task.status,
        "frames": result.get("frames"),
        "fps": result.get("fps"),
        "segments": result.get("segments"),
        "passed_through": result.get("passed_through"),
        "touched": result.get("touched"),
        "concealed": result.get("concealed"),
        "blur_before": result.get("blur_before"),
        "blur_after": result.get("blur_after"),
        "model": result.get("model"),
        "device": result.get("device"),
        "error": task.error,
        "notes": task.notes,
    }


def to_json(batch: BatchRun) -> Report:
    """The whole report."""
    files = [file_report(task) for task in batch.tasks]
    counts = {status: sum(task.status == status for task in batch.tasks) for status in STATUS}
    return {
        "seconds": round(batch.seconds, 1),
        "frames": sum(file["frames"] or 0 for file in files if file["status"] != "skipped"),
        "counts": counts,
        "files": files,
    }


def to_text(batch: BatchRun) -> str:
    """A table of the files that need attention, and a line of totals."""
    told = [task for task in batch.tasks if task.status not in ("done", "skipped")]
    width = max((len(STATUS[task.status]) for task in told), default=0)
    lines = [f"{STATUS[t.status]:<{width}}  {': '.join((t.item.input, *notes_of(t)[:1]))}" for t in told]
    report = to_json(batch)
    counts = [f"{count} {STATUS[status]}" for status, count in report["counts"].items() if count]
    sums = [", ".join(counts), f"{report['frames']} frames restored"]
    if made := [task.item for task in batch.tasks if task.status in ("done", "damaged", "passed")]:
        output, source = (sum(bytes_of(path) or 0 for path in paths) for paths in _paths(made))
        sums.append(f"{size_text(output)} (inputs: {size_text(source)})")
    return "\n".join([*lines, "; ".join(sums)])


def _paths(items: list[Item]) -> tuple[list[str], list[str]]:
    """(outputs, inputs)"""
    return [item.output for item in items], [item.input for item in items]


def notes_of(task: Task) -> list[str]:
    """Error and notes of a file, without its name in front."""
    return [note.removeprefix(f"{task.item.input}: ") for note in (task.error, *task.notes) if note]


def write_reports(batch: BatchRun) -> None:
    """Write report.json and report.html into the output folder. Raises OutputError if that fails."""
    with writing("the report", batch.folder):
        write_json(batch.folder / "report.json", to_json(batch))
        write_text(batch.folder / "report.html", to_html(batch))


def to_html(batch: BatchRun) -> str:
    """One self-contained HTML page."""
    rows = "".join(_row(batch, task) for task in batch.tasks)
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vdeblur batch</title>
<style>{STYLE}</style>
</head>
<body>
<h1>vdeblur batch</h1>
<p>{escape(to_text(batch).splitlines()[-1])} in {batch.seconds:.0f} s. Blur is the length in pixels over which an edge
is smeared, before and after, as a mean over sampled frames.</p>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}</tbody>
</table>
</body>
</html>
"""


def _row(batch: BatchRun, task: Task) -> str:
    result = task.result
    pair = task.thumbnails or (None, None)
    images = "".join(
        f'<td><img alt="{when}" src="data:image/jpeg;base64,{data}"></td>' if data else "<td></td>"
        for when, data in zip(("before", "after"), pair, strict=True)
    )
    name = task.item.input
    notes = "".join(f"<br><small>{escape(note)}</small>" for note in notes_of(task))
    blur = "" if result.get("blur_before") is None else f"{result['blur_before']:.1f} → {result['blur_after']:.1f}"
    touched = "" if not result.get("frames") else f"{100 * result.get('touched', 0) / result['frames']:.0f} %"
    figures = (_number(result.get("frames"), 0), _number(result.get("fps"), 1), touched, blur)
    cells = "".join(f'<td class="n" data-name="{n}">{f}</td>' for n, f in zip(COLUMNS[4:], figures, strict=True))
    return (
        f'<tr class="{task.status}">{images}<td><b>{escape(Path(name).name)}</b><br><small>{escape(name)}</small></td>'
        f"<td>{STATUS[task.status]}{notes}</td>{cells}</tr>\n"
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


COLUMNS = ("before", "after", "file", "result", "frames", "fps", "touched", "blur")

STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { display: block; width: 10rem; }
small { opacity: .75; overflow-wrap: anywhere; }
tr.failed td:nth-child(4), tr.passed td:nth-child(4) { color: #c33; }
tr.skipped, tr.foreign { opacity: .7; }
@media (max-width: 50rem) {
  body { margin: 1rem auto; } thead { display: none; }
  tr { display: grid; grid-template-columns: 1fr 1fr; padding: .8rem 0; border-bottom: 1px solid #8884; }
  td { border: 0; padding: .2rem .4rem; } td:nth-child(3), td:nth-child(4) { grid-column: 1 / -1; }
  td.n { text-align: left; } td.n:not(:empty)::before { content: attr(data-name) " "; opacity: .75; }
  table, tbody { display: block; } img { width: 100%; }
}
"""
