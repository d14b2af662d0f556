// Two videos, before over after, divided by a slider and kept at the same moment.

import { addDivider } from "./divider.js";

const byId = (id) => document.getElementById(id);
const APART = 0.03; // seconds that the two may be apart without being brought together

/** Returns {open(title, beforeUrl, afterUrl), close()}. */
export function setUpCompare() {
  const [before, after, play, seek] = ["before", "after", "play", "seek"].map(byId);
  const divider = addDivider(byId("compare-stage"), "Divider between before and after", () => {});
  let hasBefore = false;

  function follow() {
    if (hasBefore) {
      const apart = after.currentTime - before.currentTime;
      if (after.paused || Math.abs(apart) > 0.15) {
        if (Math.abs(apart) > 0.001 && !before.seeking) before.currentTime = after.currentTime;
        before.playbackRate = 1;
      } else {
        // A seek would show as a stutter; running a little faster or slower does not.
        before.playbackRate = Math.abs(apart) < APART ? 1 : apart > 0 ? 1.25 : 0.8;
      }
    }
    if (after.duration) seek.value = after.currentTime / after.duration;
    byId("time").textContent = `${clock(after.currentTime)} / ${clock(after.duration || 0)}`;
  }

  function tick() {
    follow();
    if (!after.paused) requestAnimationFrame(tick);
  }

  play.addEventListener("click", () => (after.paused ? after.play() : after.pause()));
  seek.addEventListener("input", () => {
    if (after.duration) after.currentTime = seek.value * after.duration;
  });
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
  before.addEventListener("loadeddata", () => {
    hasBefore = true;
    divider.show(true);
    byId("compare-note").textContent = "";
    follow();
    if (!after.paused) before.play().catch(() => {});
  });
  before.addEventListener("error", () => {
    if (!before.getAttribute("src")) return;
    hasBefore = false;
    divider.show(false);
    byId("compare-note").textContent = "This browser does not play the original, so the restored video stands alone.";
  });

  function close() {
    for (const video of [before, after]) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
    hasBefore = false;
    byId("compare").hidden = true;
  }

  return {
    open(title, beforeUrl, afterUrl) {
      close();
      byId("compare-title").textContent = title;
      byId("compare-note").textContent = "";
      byId("compare").hidden = false;
      before.src = beforeUrl;
      after.src = afterUrl;
      byId("compare").scrollIntoView({ block: "nearest" });
    },
    close,
  };
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
