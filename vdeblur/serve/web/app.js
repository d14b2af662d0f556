// Ties the page together: settings, webcam, videos.

import { get } from "./api.js";
import { setUpJobs } from "./jobs.js";
import { setUpWebcam } from "./webcam.js";

const model = document.getElementById("model");
const strength = document.getElementById("strength");
const settings = () => ({ model: model.value, strength: Number(strength.value) });

// The token, if there is one, is a cookie by now and need not stand in the address.
if (location.search) history.replaceState(null, "", location.pathname);
document.getElementById("settings").addEventListener("submit", (event) => event.preventDefault());

try {
  const facts = await get("/api/facts");
  for (const name of facts.models) model.append(new Option(name, name, name === facts.model, name === facts.model));
  const tell = setUpWebcam(settings);
  model.addEventListener("change", () => tell({ model: model.value }));
  strength.addEventListener("input", () => {
    document.getElementById("strength-value").textContent = `${Math.round(100 * strength.value)} %`;
    tell({ strength: Number(strength.value) });
  });
  setUpJobs(settings, facts);
  document.documentElement.dataset.ready = "yes";
} catch (error) {
  document.getElementById("webcam-status").textContent = error.message;
  document.getElementById("webcam-status").classList.add("bad");
}
