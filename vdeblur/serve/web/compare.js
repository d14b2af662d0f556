// Two videos, before and after, kept at the same moment. The result leads; what it was made of follows.

import { byId } from "./dom.js";

const APART = 0.03; // seconds that the two may be apart without being brought together

/** `onTime(seconds, duration)` is told where the result is; `onState(state)` "ready", "alone" or "unplayable". */
export function setUpCompare(onTime, onState) {
  const [before, after, play] = ["before", "after", "play"].map(byId);
  let hasBefore = false;
  let offset = 0; // where the result begins in what it was made of

  function follow() {
    if (hasBefore) {
      const apart = after.currentTime + offset - before.currentTime;
      if (after.paused || Math.abs(apart) > 0.15) {
        if (Math.abs(apart) > 0.001 && !before.seeking) before.currentTime = after.currentTime + offset;
        before.playbackRate = 1;
      } else {
        // A seek would show as a stutter; running a little faster or slower does not.
        before.playbackRate = Math.abs(apart) < APART ? 1 : apart > 0 ? 1.25 : 0.8;
      }
    }
    if (after.duration) onTime(after.currentTime, after.duration);
  }

  function tick() {
    follow();
    if (!after.paused) requestAnimationFrame(tick);
  }

  after.loop = true;
  after.addEventListener("play", () => {
    play.textContent = "Pause";
    if (hasBefore) before.play().catch(() => {});
    tick();
  });
  after.addEventListener("pause", () => {
    play.textContent = "Play";
    before.pause();
    follow();
  });
  for (const event of ["seeked", "timeupdate", "loadedmetadata"]) after.addEventListener(event, follow);
  after.addEventListener("loadeddata", () => onState(hasBefore ? "ready" : "alone"));
  after.addEventListener("error", () => after.getAttribute("src") && onState("unplayable"));
  before.addEventListener("loadeddata", () => {
    hasBefore = true;
    if (after.readyState >= 2) onState("ready");
    follow();
    if (!after.paused) before.play().catch(() => {});
  });
  before.addEventListener("error", () => {
    if (!before.getAttribute("src")) return;
    hasBefore = false;
    if (after.readyState >= 2) onState("alone");
  });

  return {
    open(beforeUrl, afterUrl, startsAt, seconds) {
      hasBefore = false;
      offset = startsAt;
      [before.src, after.src] = [beforeUrl, afterUrl];
      if (seconds) after.currentTime = seconds;
    },
    close() {
      hasBefore = false;
      for (const video of [before, after]) {
        if (!video.getAttribute("src")) continue;
        video.pause();
        video.removeAttribute("src");
        video.load();
      }
    },
    toggle: () => (after.paused ? after.play().catch(() => {}) : after.pause()),
    seek(seconds) { after.currentTime = Math.min(Math.max(seconds, 0), after.duration || 0); },
    get time() { return after.currentTime; },
  };
}
