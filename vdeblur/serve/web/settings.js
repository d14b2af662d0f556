// The controls of a restoration: model and strength, and for videos codec and quality.

import { h, percent } from "./dom.js";

/** Fill `form` with controls; returns {value(), set(settings)}. `onchange` is called when the user changes any. */
export function makeSettings(form, facts, { forVideos, onchange = () => {} }) {
  const model = h("select", {}, ...grouped(facts.models));
  const strength = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: 1 });
  const shown = h("output", {}, percent(1));
  const codec = h("select", {}, ...Object.entries(facts.codecs).map(([name, text]) => new Option(text, name)));
  const quality = h("select", {}, ...Object.entries(facts.qualities).map(([name, text]) => new Option(text, name)));
  model.value = facts.model;
  quality.value = "good";

  const rows = [["Model", model], ["Strength", h("span", { className: "with-output" }, strength, shown)]];
  if (forVideos) rows.push(["Quality", quality], ["Codec", codec]);
  form.replaceChildren(...rows.map(([text, control]) => h("label", {}, h("span", {}, text), control)));
  form.addEventListener("submit", (event) => event.preventDefault());
  strength.addEventListener("input", () => (shown.textContent = percent(strength.value)));
  form.addEventListener("input", () => onchange());

  return {
    value() {
      const chosen = { model: model.value, strength: Number(strength.value) };
      return forVideos ? { ...chosen, codec: codec.value, quality: quality.value } : chosen;
    },
    set(settings) {
      [model.value, strength.value, codec.value, quality.value] = [settings.model, settings.strength, settings.codec, settings.quality];
      shown.textContent = percent(settings.strength);
    },
  };
}

function grouped(models) {
  const groups = new Map();
  for (const [name, kind] of Object.entries(models)) {
    if (!groups.has(kind)) groups.set(kind, h("optgroup", { label: kind }));
    groups.get(kind).append(new Option(name, name));
  }
  return groups.values();
}
