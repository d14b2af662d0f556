// The part of a video to restore: two handles on one track.

import { byId, clock } from "./dom.js";

const LEAST = 0.04; // seconds

/** `onMove(seconds)` shows the frame at a handle; `onchange` is called when the part has changed. */
export function setUpTrim(onMove, onchange) {
  const [start, end, text] = [byId("trim-start"), byId("trim-end"), byId("trim-text")];
  let length = 0;

  function show() {
    const [from, to] = [Number(start.value), Number(end.value)];
    byId("trim").style.setProperty("--from", from / length || 0);
    byId("trim").style.setProperty("--to", to / length || 1);
    for (const input of [start, end]) input.setAttribute("aria-valuetext", clock(input.value, 2));
    text.textContent = from > 0 || to < length ? `${clock(from, 2)} to ${clock(to, 2)} (${(to - from).toFixed(2)} s)` : `The whole video (${clock(length, 2)})`;
  }

  function moved(input) {
    if (input === start) start.value = Math.min(start.value, end.value - LEAST);
    else end.value = Math.max(end.value, Number(start.value) + LEAST);
    show();
    onMove(Number(input.value));
    onchange();
  }

  for (const input of [start, end]) input.addEventListener("input", () => moved(input));
  byId("trim-all").addEventListener("click", () => {
    [start.value, end.value] = [0, length];
    show();
    onchange();
  });

  return {
    set(seconds, settings) {
      length = Math.ceil(seconds * 100) / 100; // a step of the handles
      for (const input of [start, end]) input.max = length;
      start.value = settings.start_seconds ?? 0;
      end.value = settings.end_seconds ?? length;
      show();
    },
    /** Begin or end at a time: the keys i and o. */
    put(which, seconds) {
      const input = which === "start" ? start : end;
      input.value = seconds;
      moved(input);
    },
    value: () => ({
      start_seconds: Number(start.value) > 0 ? Number(start.value) : null,
      end_seconds: Number(end.value) < length ? Number(end.value) : null,
    }),
  };
}
