// What the network did to a frame, where this copy of vdeblur can say.

import { blob } from "./api.js";
import { byId } from "./dom.js";

export function setUpExplain(facts, say) {
  const [panel, picture] = [byId("explanation"), byId("explanation-frame")];

  function close() {
    panel.hidden = true;
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.removeAttribute("src");
  }

  byId("explanation-close").addEventListener("click", close);
  return {
    close,
    offer: (job) => (byId("explain").hidden = !facts.explains || job.poster === null),
    async open(job, seconds, settings) {
      const query = new URLSearchParams({ at: seconds.toFixed(3), model: settings.model, strength: settings.strength });
      byId("explain").disabled = true;
      say("Explaining this frame …");
      try {
        const data = await blob(`/api/jobs/${job.id}/explain?${query}`);
        close();
        picture.src = URL.createObjectURL(data);
        panel.hidden = false;
        say("");
        panel.scrollIntoView({ block: "nearest" });
      } catch (error) {
        say(error.message, true);
      } finally {
        byId("explain").disabled = false;
      }
    },
  };
}
