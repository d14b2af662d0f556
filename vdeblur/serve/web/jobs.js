// Videos: dropped or chosen, sent, watched while they are restored, then compared and downloaded.

import { get, remove, upload } from "./api.js";
import { setUpCompare } from "./compare.js";

const byId = (id) => document.getElementById(id);
const POLL_MS = 500;

export function setUpJobs(settings, facts) {
  const compare = setUpCompare();
  const rows = new Map(); // job id -> its row
  const [drop, input] = [byId("drop"), byId("file")];
  let compared = null;
  let polling = false;

  byId("limit").textContent = ` (up to ${size(facts.max_upload_bytes)})`;

  function say(text, isBad = false) {
    byId("videos-status").textContent = text;
    byId("videos-status").classList.toggle("bad", isBad);
  }

  async function send(file) {
    if (file.size > facts.max_upload_bytes) {
      return say(`${file.name}: larger than the ${size(facts.max_upload_bytes)} that this server takes`, true);
    }
    const row = makeRow(file.name);
    row.progress(0, "Sending …");
    try {
      const query = new URLSearchParams(settings());
      const job = await upload(`/api/jobs?${query}`, file, (share) => row.progress(share, `Sending ${percent(share)}`));
      row.file = file;
      rows.set(job.id, row);
      show(row, job);
      poll();
    } catch (error) {
      row.item.remove();
      say(`${file.name}: ${error.message}`, true);
    }
  }

  function makeRow(name) {
    const item = document.createElement("li");
    const title = part("span", "name", name);
    const bar = part("progress", "");
    bar.max = 1;
    bar.setAttribute("aria-label", `Progress of ${name}`);
    const detail = part("span", "detail", "");
    const buttons = part("div", "bar");
    item.append(title, bar, detail, buttons);
    byId("jobs").prepend(item);
    return {
      item,
      buttons,
      file: null,
      url: null,
      status: "",
      progress(share, text, isBad = false) {
        bar.hidden = share === undefined;
        if (share === null) bar.removeAttribute("value");
        else if (share !== undefined) bar.value = share;
        detail.textContent = text;
        detail.classList.toggle("bad", isBad);
      },
    };
  }

  function show(row, job) {
    if (job.status === "waiting") row.progress(null, "Waiting for its turn");
    if (job.status === "restoring") {
      const left = job.seconds_left === null ? "" : `, ${Math.ceil(job.seconds_left)} s left`;
      const soFar = job.frames ? `${job.frames} frames, ${job.fps.toFixed(1)} fps${left}` : "Loading the model …";
      row.progress(job.share, soFar);
    }
    if (job.status === "done") row.progress(undefined, [`${job.frames} frames restored`, ...job.warnings].join(". "));
    if (job.status === "failed") row.progress(undefined, job.error, true);
    if (row.status !== job.status) addButtons(row, job);
    row.status = job.status;
  }

  function addButtons(row, job) {
    row.buttons.replaceChildren();
    const home = `/api/jobs/${job.id}`;
    if (job.status === "done") {
      const look = button("Compare", "primary", () => {
        if (row.file) row.url ??= URL.createObjectURL(row.file);
        compared = job.id;
        compare.open(job.name, row.url ?? `${home}/input`, `${home}/output`);
      });
      const link = part("a", "", "Download");
      link.href = `${home}/output?download`;
      link.download = job.download;
      row.buttons.append(look, link);
    }
    const away = button(job.status === "done" || job.status === "failed" ? "Remove" : "Cancel", "", async () => {
      away.disabled = true;
      if (compared === job.id) compare.close();
      await remove(home).catch((error) => say(error.message, true));
      if (row.url) URL.revokeObjectURL(row.url);
      rows.delete(job.id);
      row.item.remove();
    });
    away.setAttribute("aria-label", `${away.textContent} ${job.name}`);
    row.buttons.append(away);
  }

  async function poll() {
    if (polling) return;
    polling = true;
    try {
      for (let busy = true; busy; ) {
        busy = false;
        for (const job of await get("/api/jobs")) {
          let row = rows.get(job.id);
          if (!row) {
            if (job.status === "uploading") continue;
            row = makeRow(job.name);
            rows.set(job.id, row);
          }
          show(row, job);
          busy ||= job.status === "waiting" || job.status === "restoring";
        }
        if (busy) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    } catch (error) {
      say(error.message, true);
    } finally {
      polling = false;
    }
  }

  async function sendAll(files) {
    say("");
    for (const file of files) await send(file);
  }

  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    sendAll(files);
  });
  for (const event of ["dragenter", "dragover"]) {
    drop.addEventListener(event, (dragged) => {
      dragged.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (dropped) => {
    dropped.preventDefault();
    drop.classList.remove("over");
    sendAll([...dropped.dataTransfer.files]);
  });
  // A file that misses the zone must not replace the page.
  for (const event of ["dragover", "drop"]) window.addEventListener(event, (missed) => missed.preventDefault());
  poll();
}

function part(kind, name, text) {
  const element = document.createElement(kind);
  element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(text, name, onClick) {
  const element = part("button", name, text);
  element.type = "button";
  element.addEventListener("click", onClick);
  return element;
}

const percent = (share) => `${Math.round(100 * share)} %`;
const size = (bytes) => (bytes >= 2 ** 30 ? `${+(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`);
