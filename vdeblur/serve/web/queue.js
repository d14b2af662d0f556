// The list of videos: files on their way to the server, and what the server says of those it has.

import { get, patch, put, remove, upload } from "./api.js";
import { byId, bytes, count, percent } from "./dom.js";
import { makeRow } from "./row.js";

const BUSY_MS = 500;
const IDLE_MS = 3000;

/** `settings()` are those of new videos; `viewer` shows the one that is chosen. */
export function setUpQueue(settings, facts, viewer) {
  const rows = new Map(); // job id -> row
  const files = new Map(); // job id -> the file it came from, if that was here
  const unsent = []; // {file, row, controller}, in order
  let jobs = [];
  let chosen = null;
  let isPaused = false;
  let isSending = false;
  let timer = 0;
  let dragged = null; // the row that is being moved

  function say(text, isBad = false) {
    byId("queue-status").textContent = text;
    byId("queue-status").classList.toggle("bad", isBad);
  }
  const attempt = (work) => work.then(poll, (error) => say(error.message, true));

  // -- on the way ------------------------------------------------------------------------------------------------------

  function add(taken, leftOut) {
    if (leftOut) say(`${count(leftOut, "file")} left out: not a video`);
    else say("");
    for (const file of taken) {
      const one = { file, controller: new AbortController() };
      one.row = makeRow(file.name, { cancel: () => giveUp(one), select: () => {} });
      byId("jobs").append(one.row.item);
      if (file.size > facts.max_upload_bytes) {
        one.row.failedToSend(`larger than the ${bytes(facts.max_upload_bytes)} that this server takes`);
        continue;
      }
      one.row.sending(null);
      unsent.push(one);
    }
    sendAll();
    drawHead();
  }

  function giveUp(one) {
    one.controller.abort();
    const place = unsent.indexOf(one);
    if (place >= 0) unsent.splice(place, 1);
    one.row.item.remove();
    drawHead();
  }

  async function sendAll() {
    if (isSending) return;
    isSending = true;
    for (let one; (one = unsent[0]); ) {
      one.row.sending(0);
      try {
        const job = await upload(`/api/jobs?${new URLSearchParams(settings())}`, one.file, one.row.sending, one.controller.signal);
        files.set(job.id, one.file);
        one.row.item.remove();
        jobs.push(job);
        draw();
        schedule(BUSY_MS);
      } catch (error) {
        if (error.name !== "AbortError") one.row.failedToSend(error.message);
      }
      if (unsent[0] === one) unsent.shift();
    }
    isSending = false;
    drawHead();
  }

  window.addEventListener("beforeunload", (event) => unsent.length && event.preventDefault());

  // -- on the server ---------------------------------------------------------------------------------------------------

  function rowOf(job) {
    if (!rows.has(job.id)) {
      const row = makeRow(job.name, {
        select: () => {
          choose(job.id);
          byId("viewer").scrollIntoView({ block: "nearest", behavior: "smooth" });
        },
        cancel: () => attempt(remove(`/api/jobs/${job.id}`)),
        again: () => attempt(patch(`/api/jobs/${job.id}`, {})),
        move: (by) => move(job.id, by),
      });
      row.item.dataset.id = job.id;
      rows.set(job.id, row);
    }
    return rows.get(job.id);
  }

  function draw() {
    const here = new Set(jobs.map((job) => job.id));
    for (const [id, row] of rows) {
      if (here.has(id)) continue;
      row.item.remove();
      rows.delete(id);
      files.delete(id);
    }
    const list = byId("jobs");
    let last = null; // rows are moved only where the order has changed, so that the focus stays
    for (const job of jobs) {
      const row = rowOf(job);
      row.show(job);
      const next = last ? last.nextElementSibling : list.firstElementChild;
      if (next !== row.item) list.insertBefore(row.item, next);
      last = row.item;
    }
    if (!here.has(chosen)) choose(jobs[0]?.id ?? null);
    else viewer.show(jobs.find((job) => job.id === chosen), files.get(chosen));
    drawHead();
  }

  function choose(id) {
    chosen = id;
    for (const [other, row] of rows) row.select(other === id);
    viewer.show(jobs.find((job) => job.id === id) ?? null, files.get(id));
  }

  function drawHead() {
    const of = (status) => jobs.filter((job) => job.status === status).length;
    const [done, waiting, running] = [of("done"), of("waiting"), jobs.find((job) => job.status === "restoring")];
    const words = [];
    if (unsent.length) words.push(`${unsent.length} to send`);
    if (waiting) words.push(`${waiting} waiting`);
    if (running) words.push("1 running");
    if (done) words.push(`${done} done`);
    if (of("failed")) words.push(`${of("failed")} failed`);
    byId("queue-count").textContent = words.join(", ");
    byId("queue-head").hidden = !jobs.length && !byId("jobs").children.length;
    byId("download-all").hidden = done < 2;
    byId("clear").hidden = !done && !of("failed");
    byId("hold").hidden = !waiting && !running && !isPaused && !unsent.length;
    byId("hold").textContent = isPaused ? "Go on" : "Hold";
    byId("hold").setAttribute("aria-pressed", isPaused);
    byId("held").hidden = !isPaused;
    document.title = running?.share ? `${percent(running.share)} – vdeblur` : done && !waiting ? `${done} done – vdeblur` : "vdeblur";
  }

  async function poll() {
    try {
      const said = await get("/api/jobs");
      jobs = said.jobs.filter((job) => job.status !== "uploading");
      isPaused = said.is_paused;
      byId("offline").hidden = true;
      if (!dragged) draw();
    } catch (error) {
      byId("offline").textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}. Trying again …`;
      byId("offline").hidden = false;
    }
    const busy = jobs.some((job) => ["waiting", "restoring"].includes(job.status) || (job.poster === null && !job.poster_error));
    schedule(busy && !document.hidden ? BUSY_MS : IDLE_MS);
  }

  function schedule(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(poll, milliseconds);
  }

  // -- order -----------------------------------------------------------------------------------------------------------

  function arrange(order) {
    const places = new Map(order.map((id, place) => [id, place]));
    jobs.sort((one, other) => places.get(one.id) - places.get(other.id));
    draw();
    attempt(put("/api/queue", { order }));
  }

  function move(id, by) {
    const waiting = jobs.filter((job) => job.status === "waiting").map((job) => job.id);
    const other = waiting[waiting.indexOf(id) + by];
    if (!other) return;
    const focused = document.activeElement;
    arrange(jobs.map((job) => (job.id === id ? other : job.id === other ? id : job.id)));
    focused?.focus();
  }

  byId("jobs").addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.id);
  });
  byId("jobs").addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over || over === dragged || over.dataset.status !== "waiting") return;
    const box = over.getBoundingClientRect();
    over[event.clientY < box.top + box.height / 2 ? "before" : "after"](dragged);
  });
  byId("jobs").addEventListener("dragend", () => {
    dragged = null;
    const shown = [...byId("jobs").children].map((item) => item.dataset.id).filter(Boolean);
    arrange([...shown, ...jobs.map((job) => job.id).filter((id) => !shown.includes(id))]);
  });

  byId("hold").addEventListener("click", () => attempt(put("/api/queue", { is_paused: !isPaused })));
  byId("clear").addEventListener("click", () => {
    const finished = jobs.filter((job) => job.status === "done" || job.status === "failed");
    if (!confirm(`Remove ${count(finished.length, "finished video")} from the server?`)) return;
    attempt(Promise.all(finished.map((job) => remove(`/api/jobs/${job.id}`))));
  });
  document.addEventListener("visibilitychange", () => document.hidden || schedule(0));
  poll();
  return { add, refresh: poll };
}
