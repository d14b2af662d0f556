// The chosen video: one frame of it before and after while it is not restored yet, then both videos; and its settings.

import { patch } from "./api.js";
import { setUpCompare } from "./compare.js";
import { addDivider } from "./divider.js";
import { byId, clock } from "./dom.js";
import { setUpExplain } from "./explain.js";
import { setUpFrames } from "./frames.js";
import { setUpKeys } from "./keys.js";
import { progressOf } from "./row.js";
import { makeSettings } from "./settings.js";
import { setUpTrim } from "./trim.js";
import { addZoom } from "./zoom.js";

const NOTES = {
  ready: "Before and after play together. Move the line; press ? for keys.",
  alone: "This browser does not play the original, so only the restored video is shown.",
  unplayable: "This browser does not play the restored video: download it, or choose H.264.",
};

/** Returns {show(job, file)}; `onChanged` is called when the server was told something. */
export function setUpViewer(facts, onChanged) {
  const stage = byId("stage");
  const zoom = addZoom(stage, (text) => (byId("zoom-text").textContent = text));
  const divider = addDivider(stage, "Divider between before and after", () => {}, () => !zoom.isZoomed);
  const frames = setUpFrames(say);
  const compare = setUpCompare(showTime, (state) => {
    divider.show(state === "ready");
    say(NOTES[state], state === "unplayable");
  });
  const settings = makeSettings(byId("job-settings"), facts, { forVideos: true, onchange: edited });
  const trim = setUpTrim((seconds) => seek(seconds, true), edited);
  const explain = setUpExplain(say);
  let job = null;
  let url = null; // of the user's own file, which need not come back from the server
  let mode = ""; // "frames" or "videos"; "" shows nothing
  let opened = ""; // what the stage shows: job, mode and settings together
  let wanted = null; // the time of the frame that is looked at; null: the poster's
  let isEdited = false;
  let edits = 0; // how many so far
  let hasTrim = false; // whether the handles are this video's: until its length is known they are the last one's
  let own = null; // the user's file, if it was chosen in this window

  function say(text, isBad = false) {
    byId("stage-note").textContent = text;
    byId("stage-note").classList.toggle("bad", isBad);
  }

  const length = () => job?.video?.seconds ?? 0;
  const start = () => job.settings.start_seconds ?? 0;

  function showTime(seconds, duration) {
    const [from, whole] = mode === "videos" ? [start(), length() || duration] : [0, length()];
    byId("seek").max = whole || 1;
    byId("seek").value = from + seconds;
    byId("time").textContent = `${clock(from + seconds, 2)} / ${clock(whole, 2)}`;
  }

  /** Go to a time of the video as it came. Its own frame is shown where the restored video does not reach. */
  function seek(seconds, asFrame = false) {
    if (!job) return;
    const covered = seconds >= start() && seconds <= (job.settings.end_seconds ?? Infinity);
    if (mode === "videos" && covered && !asFrame) return compare.seek(seconds - start());
    wanted = seconds;
    if (mode === "videos") toFrames();
    showTime(seconds, length());
    frames.show(job, seconds, settings.value());
  }

  function toFrames() {
    compare.close();
    mode = "frames";
    stage.dataset.mode = mode;
    divider.show(true);
    byId("play").hidden = job.status !== "done";
    byId("play").textContent = "Play";
  }

  function toVideos() {
    frames.clear();
    mode = "videos";
    stage.dataset.mode = mode;
    divider.show(false);
    byId("play").hidden = false;
    if (url) URL.revokeObjectURL(url);
    url = own ? URL.createObjectURL(own) : null;
    const home = `/api/jobs/${job.id}`;
    const at = (wanted ?? job.poster ?? start()) - start();
    compare.open(url ?? `${home}/input`, `${home}/output`, start(), Math.max(at, 0));
    say("Loading …");
  }

  function edited() {
    isEdited = true;
    edits += 1;
    byId("apply").disabled = false;
    byId("apply").textContent = job?.status === "waiting" ? "Use these settings" : "Restore again with these settings";
    if (mode === "frames") frames.show(job, wanted, settings.value());
  }

  async function apply() {
    byId("apply").disabled = true;
    const applied = edits;
    try {
      await patch(`/api/jobs/${job.id}`, { ...settings.value(), ...(hasTrim && trim.value()) });
      if (edits === applied) isEdited = false;  // what is edited meanwhile is not applied yet
      onChanged();
    } catch (error) {
      byId("apply").disabled = false;
      say(error.message, true);
    }
  }

  function show(next, file) {
    const isOther = next?.id !== job?.id;
    [job, own] = [next, file ?? null];
    byId("empty").hidden = job !== null;
    byId("viewer").hidden = job === null;
    if (isOther) {
      [wanted, isEdited, hasTrim, opened, mode] = [null, false, false, "", ""];
      compare.close();
      frames.clear();
      explain.close();
      zoom.fit();
    }
    if (!job) return;
    byId("title").textContent = job.name;
    drawStatus();
    if (!isEdited) {
      settings.set(job.settings);
      byId("apply").disabled = true;
    }
    const key = JSON.stringify([job.id, job.status === "done" ? job.seconds : job.poster, job.settings, job.poster_error]);
    if (key === opened) return;
    opened = key;
    if (job.video) zoom.size(job.video.width, job.video.height);
    if (length() && !(isEdited && hasTrim)) {
      trim.set(length(), job.settings);
      hasTrim = true;
    }
    for (const id of ["stage", "tools", "adjust"]) byId(id).hidden = Boolean(job.poster_error) && !job.video;
    byId("trim").hidden = !hasTrim;
    byId("timeline").hidden = !length();
    explain.offer(job);
    if (job.status === "done") return toVideos();
    toFrames();
    if (job.poster === null) {
      frames.clear();
      divider.show(false);
      return say(job.poster_error ? (job.error ? "" : job.poster_error) : "Looking for its most blurred frame …", job.poster_error !== "");
    }
    showTime(wanted ?? job.poster, length());
    frames.show(job, wanted, settings.value());
  }

  function drawStatus() {
    const [share, text] = progressOf(job);
    const bar = byId("job-progress");
    bar.hidden = job.status !== "restoring";
    if (share === null || share === undefined) bar.removeAttribute("value");
    else bar.value = share;
    byId("job-status").textContent = text;
    byId("job-status").classList.toggle("bad", job.status === "failed");
    byId("again").hidden = job.status !== "failed";
    byId("download").hidden = job.status !== "done";
    byId("download").href = `/api/jobs/${job.id}/output?download`;
    byId("download").download = job.download;
  }

  byId("apply").addEventListener("click", apply);
  byId("again").addEventListener("click", apply);
  byId("seek").addEventListener("input", () => seek(Number(byId("seek").value)));
  byId("zoom-in").addEventListener("click", zoom.closer);
  byId("zoom-out").addEventListener("click", zoom.further);
  byId("zoom-fit").addEventListener("click", zoom.fit);
  byId("zoom-pixels").addEventListener("click", zoom.pixels);
  const play = () => {
    if (mode === "videos") return compare.toggle();
    if (job?.status !== "done") return;
    toVideos();
    compare.toggle();
  };
  byId("play").addEventListener("click", play);
  byId("explain").addEventListener("click", () => explain.open(job, now(), settings.value()));

  const now = () => (mode === "videos" ? start() + compare.time : wanted ?? job?.poster ?? 0);
  setUpKeys(stage, () => job !== null, {
    play,
    seek: (by) => seek(Math.min(Math.max(now() + by, 0), length())),
    frame: (by) => seek(Math.min(Math.max(now() + by / (job.video?.fps ?? 25), 0), length())),
    flip: () => divider.move(divider.place > 0.5 ? 0 : 1),
    middle: () => divider.move(0.5),
    trim: (which) => hasTrim && trim.put(which, now()),
    zoom,
  });
  return { show };
}
