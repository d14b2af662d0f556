// Single frames of a video that need not be restored yet: before at once, after as soon as the server has made it.

import { blob } from "./api.js";
import { byId } from "./dom.js";

const WAIT_MS = 400; // until a scrubber counts as standing still

/** `say(text, isBad)` is told what one waits for. */
export function setUpFrames(say) {
  const images = { before: byId("before-frame"), after: byId("after-frame") };
  let wanted = null; // {before, after, isPoster}: the frame that is wanted now, by its addresses
  let under = null; // AbortController of the one "before" that is on its way
  let asked = null; // AbortController of the "after" that is on its way
  let timer = 0;

  async function load(which, url, signal) {
    const data = await blob(url, signal);
    const image = images[which];
    const source = URL.createObjectURL(data);
    const old = image.src;
    image.src = source;
    await image.decode().catch(() => {});
    if (old) URL.revokeObjectURL(old);
  }

  const failed = (error) => error.name !== "AbortError" && say(error.message, true);

  /** Before, one at a time: the server makes one after the other, and would make all that a scrubber passes. */
  async function showBefore() {
    const { signal } = (under = new AbortController());
    let done;
    do {
      done = wanted;
      try {
        await load("before", done.before, signal);
        if (signal.aborted) return;
        say("Restoring this frame …");
        byId("stage").classList.add("half");
        if (done === wanted) timer = setTimeout(showAfter, done.isPoster ? 0 : WAIT_MS);
      } catch (error) {
        if (done === wanted) failed(error);
      }
    } while (done !== wanted && !signal.aborted);
    if (!signal.aborted) under = null;
  }

  async function showAfter() {
    const { signal } = (asked = new AbortController());
    try {
      await load("after", wanted.after, signal);
      if (signal.aborted) return;
      byId("stage").classList.remove("half");
      say("This one frame, in advance. Move the line; press ? for keys.");
    } catch (error) {
      failed(error);
    }
  }

  function stop() {
    clearTimeout(timer);
    asked?.abort();
  }

  return {
    /** Show a frame of the job as these settings would make it; `seconds` null is the poster's. */
    show(job, seconds, settings) {
      stop();
      const query = new URLSearchParams({ model: settings.model, strength: settings.strength });
      if (seconds !== null) query.set("at", seconds.toFixed(3));
      const url = (which) => `/api/jobs/${job.id}/frame/${which}?${query}`;
      wanted = { before: url("before"), after: url("after"), isPoster: seconds === null };
      if (!under) showBefore();
    },
    clear() {
      stop();
      under?.abort();
      [under, wanted] = [null, null];
      byId("stage").classList.remove("half");
      for (const image of Object.values(images)) {
        if (image.src) URL.revokeObjectURL(image.src);
        image.removeAttribute("src");
      }
    },
  };
}
