// A line plot of the last minute on a canvas: axis from 0, a few round marks, the newest value in words.

const SECONDS = 60;

/** Returns add(values): one value a line, in the order of `lines` ({name, color: a CSS variable}). */
export function makePlot(canvas, title, unit, lines) {
  const points = [];

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    const [left, top, right, bottom] = [42, 26, width - 8, height - 18];
    const highest = Math.max(...points.flatMap((point) => point.values), 1);
    const step = roundStep(highest / 3);
    const ceiling = step * Math.ceil((highest * 1.05) / step);
    const now = points.length ? points.at(-1).at : 0;
    const x = (at) => right - ((now - at) / SECONDS / 1000) * (right - left);
    const y = (value) => bottom - (value / ceiling) * (bottom - top);

    pen.fillStyle = color("--ink");
    pen.fillText(title, 8, 16);
    pen.fillStyle = color("--faint");
    pen.textAlign = "right";
    for (let mark = 0; mark <= ceiling + step / 2; mark += step) {
      pen.fillText(String(Number(mark.toPrecision(3))), left - 6, y(mark) + 4);
      pen.strokeStyle = color("--edge");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(left, y(mark));
      pen.lineTo(right, y(mark));
      pen.stroke();
    }
    pen.fillText("now", right, height - 4);
    pen.textAlign = "left";
    pen.fillText(`−${SECONDS} s`, left, height - 4);
    let place = right;
    pen.textAlign = "right";
    for (const [index, line] of [...lines.entries()].reverse()) {
      pen.strokeStyle = pen.fillStyle = color(line.color);
      pen.fillText(line.name, place, 16);
      place -= pen.measureText(line.name).width + 12;
      pen.lineWidth = 2;
      pen.beginPath();
      for (const point of points) pen.lineTo(x(point.at), y(point.values[index]));
      pen.stroke();
    }
  }

  return (values) => {
    const at = performance.now();
    points.push({ at, values });
    while (points[0].at < at - SECONDS * 1000) points.shift();
    const said = lines.map((line, index) => `${line.name} ${values[index]} ${unit}`).join(", ");
    canvas.setAttribute("aria-label", `${title}: ${said}`);
    draw();
  };
}

/** The nearest of 1, 2 and 5 times a power of ten, from above. */
function roundStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= value);
}
