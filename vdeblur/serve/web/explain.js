// What the network did to a frame, on a page of its own.

import { get } from "./api.js";
import { byId, clock } from "./dom.js";

export function setUpExplain(say) {
  const [ask, link] = [byId("explain"), byId("explanation")];
  const close = () => (link.hidden = true);

  return {
    close,
    offer: (job) => (ask.hidden = job.poster === null),
    /** Ask for the page; it may take a minute, so it is made before it is offered. */
    async open(job, seconds, settings) {
      const query = new URLSearchParams({ at: seconds.toFixed(3), model: settings.model, strength: settings.strength });
      const page = `/api/jobs/${job.id}/explain?${query}`;
      ask.disabled = true;
      close();
      say("Explaining this frame …");
      try {
        await get(`${page}&prepare`);
        link.href = page;
        link.textContent = `What was done to the frame at ${clock(seconds, 2)}`;
        link.hidden = false;
        say("");
      } catch (error) {
        say(error.message, true);
      } finally {
        ask.disabled = false;
      }
    },
  };
}
