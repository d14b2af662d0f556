const data = JSON.parse(document.getElementById("data").textContent);
const by = id => document.getElementById(id);
const [before, after, layer, arrows, stage] = ["before", "after", "layer", "arrows", "stage"].map(by);
const [divider, slider, opacity, playing] = ["divider", "frame", "opacity", "play"].map(by);
const svg = name => document.createElementNS("http://www.w3.org/2000/svg", name);
const number = (value, digits, unit) => value === null || value === undefined ? "–" : value.toFixed(digits) + unit;
let place = 0, timer = 0;

const chosen = () => document.querySelector("input[name=layer]:checked").value;

function show(to) {
  place = Math.min(Math.max(to, 0), data.shown.length - 1);
  const shown = data.shown[place], facts = data.frames[shown.index];
  before.src = shown.before;
  after.src = shown.after;
  slider.value = place;
  by("where").textContent = `frame ${facts.frame} · ${facts.seconds.toFixed(3)} s`;
  slider.setAttribute("aria-valuetext", by("where").textContent);
  drawLayer();
  by("facts").replaceChildren(...figures(facts).map(([name, value]) => {
    const entry = document.createElement("div"), term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name;
    said.textContent = value;
    entry.append(term, said);
    return entry;
  }));
  for (const cursor of document.querySelectorAll(".cursor")) {
    const x = data.plot.left + data.plot.width * shown.index / Math.max(data.frames.length - 1, 1);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  }
}

function figures(facts) {
  const found = [["Mean change", number(facts.change, 2, " levels")]];
  if (facts.flow_px !== null) {
    found.push(["Motion, per frame", number(facts.flow_px, 1, " px")]);
    found.push(["Blur, at the fitted exposure", number(facts.flow_px * data.exposure_share, 1, " px")]);
  }
  for (const [source, share] of Object.entries(facts.shares || {}))
    found.push([source[0].toUpperCase() + source.slice(1), number(100 * share, 1, " %")]);
  if (facts.together !== null) found.push(["Interaction of sources", number(100 * facts.together, 1, " %")]);
  if (facts.gap !== null) found.push(["Rounding error of the parts", facts.gap.toExponential(1) + " levels"]);
  if (facts.spread !== null) {
    found.push(["Spread over the views", number(facts.spread, 2, " levels")]);
    found.push(["Pixels beyond the evidence", number(100 * facts.beyond_evidence, 2, " %")]);
  }
  if (facts.cell) {
    found.push(["Forget gate's half-life", number(facts.cell.half_life, 1, " frames")]);
    found.push(["Carried |c|", number(facts.cell.carried, 3, "")]);
    found.push(["Saturated i, f, o, g", ["i", "f", "o", "g"].map(n => Math.round(100 * facts.cell.saturated[n])).join(", ") + " %"]);
  }
  if (facts.is_cut) found.push(["Scene", "starts here"]);
  if (facts.is_fallback) found.push(["Fallback", "result not finite: frame unchanged"]);
  return found;
}

function drawLayer() {
  const name = chosen(), shown = data.shown[place], picture = shown.layers[name];
  layer.style.opacity = picture ? opacity.value / 100 : 0;
  if (picture) layer.src = picture;
  arrows.style.opacity = name === "motion" ? opacity.value / 100 : 0;
  const drawn = (name === "motion" ? shown.arrows : []).map(arrow).join("");
  for (const path of arrows.querySelectorAll("path")) path.setAttribute("d", drawn);
  const about = data.layers.find(entry => entry.name === name);
  by("legend").innerHTML = about ? about.legend : "";
}

function arrow(ends) {
  const [x, y, dx, dy] = ends.map(share => share * 1000), tipX = x + dx, tipY = y + dy;
  const length = Math.min(Math.hypot(dx, dy) / 3, 9), angle = Math.atan2(dy, dx);
  const barb = turn => `${(tipX - length * Math.cos(angle + turn)).toFixed(1)} ${(tipY - length * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${x.toFixed(1)} ${y.toFixed(1)}L${tipX.toFixed(1)} ${tipY.toFixed(1)}M${barb(.5)}L${tipX.toFixed(1)} ${tipY.toFixed(1)}L${barb(-.5)}`;
}

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => show((place + 1) % data.shown.length), 250) : 0;
  playing.textContent = on ? "Pause" : "Play";
  playing.setAttribute("aria-pressed", on);
}

slider.addEventListener("input", () => { play(false); show(+slider.value); });
by("back").addEventListener("click", () => { play(false); show(place - 1); });
by("on").addEventListener("click", () => { play(false); show(place + 1); });
playing.addEventListener("click", () => play(!timer));
opacity.addEventListener("input", drawLayer);
divider.addEventListener("input", () => stage.style.setProperty("--x", divider.value + "%"));
for (const choice of document.querySelectorAll("input[name=layer]")) choice.addEventListener("change", drawLayer);

for (const plot of document.querySelectorAll(".plot svg")) {
  const cursor = svg("line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", data.plot.top);
  cursor.setAttribute("y2", data.plot.bottom);
  plot.append(cursor);
  plot.addEventListener("click", event => {
    const box = plot.getBoundingClientRect();
    const part = ((event.clientX - box.left) / box.width * data.plot.whole - data.plot.left) / data.plot.width;
    const wanted = part * (data.frames.length - 1);
    const far = data.shown.map(shown => Math.abs(shown.index - wanted));
    play(false);
    show(far.indexOf(Math.min(...far)));
  });
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
  if (event.key === "ArrowLeft") show(place - 1);
  else if (event.key === "ArrowRight") show(place + 1);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(data.shown.length - 1);
  else return;
  play(false);
  event.preventDefault();
});

show(data.start);
document.documentElement.dataset.ready = "yes";
