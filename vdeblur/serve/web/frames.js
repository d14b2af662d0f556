// Single frames of a video that need not be restored yet: before at once, after as soon as the server has made it.

import { blob } from "./api.js";
import { byId } from "./dom.js";

const WAIT_MS = 400; // until a scrubber counts as standing still

/** `say(text, isBad)` is told what one waits for. */
export function setUpFrames(say) {
  const images = { before: byId("before-frame"), after: byId("after-frame") };
  let asked = null; // {controller}: the frame that is wanted now
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

  return {
    /** Show a frame of the job as these settings would make it; `seconds` null is the poster's. */
    show(job, seconds, settings) {
      clearTimeout(timer);
      asked?.abort();
      const now = (asked = new AbortController());
      const query = new URLSearchParams({ model: settings.model, strength: settings.strength });
      if (seconds !== null) query.set("at", seconds.toFixed(3));
      const url = (which) => `/api/jobs/${job.id}/frame/${which}?${query}`;
      const failed = (error) => error.name !== "AbortError" && say(error.message, true);
      load("before", url("before"), now.signal).then(() => {
        if (now.signal.aborted) return;
        say("Restoring this frame …");
        byId("stage").classList.add("half");
        timer = setTimeout(() => load("after", url("after"), now.signal).then(() => {
          byId("stage").classList.remove("half");
          say("This one frame, in advance. Move the line; press ? for keys.");
        }, failed), seconds === null ? 0 : WAIT_MS);
      }, failed);
    },
    clear() {
      clearTimeout(timer);
      asked?.abort();
      byId("stage").classList.remove("half");
      for (const image of Object.values(images)) {
        if (image.src) URL.revokeObjectURL(image.src);
        image.removeAttribute("src");
      }
    },
  };
}
