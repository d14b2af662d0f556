// Making elements, and putting numbers into words.

export const byId = (id) => document.getElementById(id);

/** An element: h("button", {class: "primary", onclick: f}, "Text"). Unknown properties become attributes. */
export function h(kind, properties = {}, ...children) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function button(text, properties, onclick) {
  return h("button", { type: "button", ...properties, onclick }, text);
}

export const percent = (share) => `${Math.round(100 * share)} %`;

/** 1:05, or 1:05.20 with hundredths. */
export function clock(seconds, digits = 0) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

/** "40 s", "12 min", "2 h 5 min". */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(Math.ceil(seconds), 1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(number) {
  const [unit, name] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"], [1, "bytes"]].find(([unit]) => number >= unit) ?? [1, "bytes"];
  const value = number / unit;
  return `${value < 10 && unit > 1 ? +value.toFixed(1) : Math.round(value)} ${name}`;
}

export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
