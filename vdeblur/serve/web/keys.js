// Keyboard shortcuts of the viewer; `?` lists them.

import { byId } from "./dom.js";

const PAN = 0.15;

/** `isOn()` says whether there is a video to look at; `act` has what the keys do. */
export function setUpKeys(stage, isOn, act) {
  const arrows = {
    ArrowLeft: () => act.zoom.pan(-PAN, 0) || act.seek(-1),
    ArrowRight: () => act.zoom.pan(PAN, 0) || act.seek(1),
    ArrowUp: () => act.zoom.pan(0, -PAN),
    ArrowDown: () => act.zoom.pan(0, PAN),
  };
  const keys = {
    " ": act.play,
    k: act.play,
    ",": () => act.frame(-1),
    ".": () => act.frame(1),
    b: act.flip,
    m: act.middle,
    "+": act.zoom.closer,
    "=": act.zoom.closer,
    "-": act.zoom.further,
    0: act.zoom.fit,
    1: act.zoom.pixels,
    i: () => act.trim("start"),
    o: () => act.trim("end"),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen?.()),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("videos").hidden || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input[type='text'], input[type='password'], select, textarea")) return;
    if (event.key === "?") return byId("keys").showModal();
    if (!isOn()) return;
    const onControl = event.target.closest("button, a, input, summary");
    if (onControl && (event.key === " " || event.key in arrows)) return; // these are the control's own
    const does = keys[event.key] ?? (event.target === stage || event.target === document.body ? arrows[event.key] : undefined);
    if (!does) return;
    does();
    event.preventDefault();
  });
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
}
