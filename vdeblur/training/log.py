"""The log of a run: a line of JSON per hundred steps and per validation, with its cost so far, and a plot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_text, writing
from ..progress import clock
from ..quality import plots


class TrainingLog:
    """log.jsonl and plot.svg in a run's folder."""

    def __init__(
        self,
        folder: Path,
        step: int,
        pixels_per_step: int,
        flop_per_pixel: float,
        report: Callable[[dict[str, Any]], None] = lambda line: None,
    ) -> None:
        """Goes on after `step`: what an interrupted run wrote beyond its checkpoint is done again, so it is dropped.

        `report` is given each new line. Raises OutputError if the folder cannot be written to.
        """
        self.folder, self._pixels_per_step, self._flop_per_pixel = folder, pixels_per_step, flop_per_pixel
        self._file, self._report = folder / "log.jsonl", report
        with writing("the log", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.lines = [line for line in read_lines(self._file) if line["step"] <= step]
            write_text(self._file, "".join(json.dumps(line) + "\n" for line in self.lines))

    def note(self, line: dict[str, Any]) -> None:
        """Add a line."""
        self.lines.append(line)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._report(line)

    def pace(self, step: int, loss: float, gain: float, steps: int, seconds: float) -> None:
        """Add loss and gain in dB of the last `steps` steps, their pace, and all that the run has cost up to `step`."""
        pixels = step * self._pixels_per_step
        self.note(
            {
                "step": step,
                "loss": round(loss, 4),
                "gain": round(gain, 4),
                "steps_per_s": round(steps / seconds, 2),
                "pixels": pixels,
                "flop": float(f"{pixels * self._flop_per_pixel:.4g}"),
                "hours": round(self._hours + seconds / 3600, 4),
            }
        )

    def validation(self, step: int, scores: dict[str, float]) -> None:
        """Add a validation's scores, and draw the plot."""
        self.note({"step": step, "validation": {name: round(score, 4) for name, score in scores.items()}})
        self.plot()

    @property
    def _hours(self) -> float:
        """That the run's steps have taken so far."""
        return float(next((line["hours"] for line in reversed(self.lines) if "hours" in line), 0.0))

    def plot(self) -> None:
        """Draw loss and gains anew; nothing before the first hundred steps."""
        if svg := to_svg(self.lines):
            write_text(self.folder / "plot.svg", svg)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a last one that was cut short is left out."""
    if not file.exists():
        return []
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def to_text(line: dict[str, Any], steps: int, minutes: float = 0.0) -> str:
    """A line of the log for people; `steps` is what the run is to reach, or `minutes` if it has that length instead."""
    if "changed" in line:
        return f"step {line['step']}: goes on with other settings: {', '.join(line['changed'])}"
    if "validation" in line:
        gain, alone = line["validation"]["gain"], line["validation"]["gain_no_state"]
        return (
            f"step {line['step']}: validation gain {gain:+.2f} dB, with the state reset at each frame {alone:+.2f} dB"
        )
    rate = line["steps_per_s"]
    seconds = 60 * minutes - 3600 * line["hours"] if minutes else (steps - line["step"]) / rate if rate else 0.0
    left = f", {clock(max(seconds, 0.0))} left" if rate or minutes else ""
    step = f"step {line['step']}" if minutes else f"step {line['step']}/{steps}"
    return f"{step}: loss {line['loss']:.2f} dB, gain {line['gain']:+.2f} dB, {rate:g} steps/s{left}"


def to_svg(lines: list[dict[str, Any]]) -> str:
    """Loss and gains over the steps; "" while there is nothing to draw. Between validations the line is straight."""
    trained = [line for line in lines if "loss" in line]
    validated = [line for line in lines if "validation" in line]
    if not trained:
        return ""
    steps = np.array([line["step"] for line in trained])

    def validation(name: str) -> list[float]:
        if not validated:
            return []
        at, values = [line["step"] for line in validated], [line["validation"][name] for line in validated]
        return list(np.interp(steps, at, values, left=np.nan, right=np.nan))

    x_label = f"entries of the log, up to step {steps[-1]}"
    loss = {"loss": [line["loss"] for line in trained]}
    gains = {
        "training batches": [line["gain"] for line in trained],
        "validation": validation("gain"),
        "validation, state reset at each frame": validation("gain_no_state"),
    }
    drawn = {name: values for name, values in gains.items() if values}
    return plots.standalone(
        {
            "loss": (plots.lines("loss", loss, x_label, "dB"), list(loss)),
            "gain over the blurred input": (plots.lines("gain", drawn, x_label, "dB"), list(drawn)),
        }
    )
