// Ties the page together: files are taken at once, all else when the server has said what it offers.

import { get } from "./api.js";
import { byId, bytes } from "./dom.js";
import { setUpQueue } from "./queue.js";
import { makeSettings } from "./settings.js";
import { takeFiles } from "./take.js";
import { setUpViewer } from "./viewer.js";
import { setUpWebcam } from "./webcam.js";

// The token, if there is one, is a cookie by now and need not stand in the address.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

const waiting = []; // what was chosen before the server has said what it offers
let add = (...taken) => {
  waiting.push(taken);
  byId("queue-status").textContent = "The server is starting; your files are sent as soon as it is ready.";
};
takeFiles((files, leftOut) => add(files, leftOut));

setUpTabs();
start();

async function start() {
  const facts = await offered();
  byId("offline").hidden = true;
  byId("limit").textContent = `up to ${bytes(facts.max_upload_bytes)} each`;
  const fresh = makeSettings(byId("new-settings"), facts, { forVideos: true });
  const viewer = setUpViewer(facts, () => queue.refresh());
  const queue = setUpQueue(fresh.value, facts, viewer);
  const webcam = makeSettings(byId("webcam-settings"), facts, { forVideos: false, onchange: () => tell(webcam.value()) });
  const tell = setUpWebcam(webcam.value);
  byId("queue-status").textContent = "";
  add = queue.add;
  for (const taken of waiting.splice(0)) add(...taken);
  document.documentElement.dataset.ready = "yes";
}

/** What the server offers, as soon as it answers. */
async function offered() {
  for (;;) {
    try {
      return await get("/api/facts");
    } catch (error) {
      byId("offline").textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}. Trying again …`;
      byId("offline").hidden = false;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

function setUpTabs() {
  const tabs = ["videos", "webcam"].map((name) => ({ tab: byId(`${name}-tab`), panel: byId(name), hash: `#${name}` }));
  function select(chosen) {
    for (const one of tabs) {
      one.tab.setAttribute("aria-selected", one === chosen);
      one.tab.tabIndex = one === chosen ? 0 : -1;
      one.panel.hidden = one !== chosen;
    }
    history.replaceState(null, "", chosen.hash);
  }
  tabs.forEach((one, index) => {
    one.tab.addEventListener("click", () => select(one));
    one.tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tabs[(index + 1) % tabs.length];
      select(other);
      other.tab.focus();
    });
  });
  if (location.hash === "#webcam") select(tabs[1]);
}
