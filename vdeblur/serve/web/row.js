// One video in the list: what it is, how far it is, and what can be done with it.

import { button, bytes, count, duration, h, percent } from "./dom.js";

/** `act` has the actions: select(), cancel(), move(by), again(). */
export function makeRow(name, act) {
  const thumb = h("img", { className: "thumb", alt: "", draggable: false });
  const title = button(name, { className: "name" }, () => act.select());
  const bar = h("progress", { max: 1, ariaLabel: `Progress of ${name}` });
  const detail = h("span", { className: "detail" });
  const buttons = h("span", { className: "actions" });
  const away = button("✕", { className: "away" }, () => act.cancel());
  const item = h("li", {}, thumb, h("div", { className: "about" }, title, bar, detail, buttons), away);
  let buttonsFor = "";

  function setButtons(status, job) {
    const key = `${status} ${job?.download}`;
    if (key === buttonsFor) return;
    buttonsFor = key;
    const made = [];
    if (status === "waiting") {
      made.push(button("↑", { ariaLabel: `Earlier: ${name}`, title: "Earlier" }, () => act.move(-1)));
      made.push(button("↓", { ariaLabel: `Later: ${name}`, title: "Later" }, () => act.move(1)));
    }
    if (status === "failed") made.push(button("Try again", { ariaLabel: `Try again: ${name}` }, () => act.again()));
    if (status === "done") {
      const link = h("a", { className: "button", href: `/api/jobs/${job.id}/output?download`, download: job.download }, "Download");
      link.setAttribute("aria-label", `Download ${job.download}`);
      made.push(link);
    }
    const word = status === "done" || status === "failed" ? "Remove" : "Cancel";
    [away.ariaLabel, away.title] = [`${word} ${name}`, word];
    buttons.replaceChildren(...made);
  }

  function progress(share, text, isBad = false) {
    bar.hidden = share === undefined;
    if (share === null) bar.removeAttribute("value");
    else if (share !== undefined) bar.value = share;
    detail.textContent = text;
    detail.classList.toggle("bad", isBad);
  }

  return {
    item,
    select: (isSelected) => title.setAttribute("aria-current", isSelected),
    sending(share) {
      item.dataset.status = "sending";
      setButtons("sending");
      progress(share, share === null ? "Waiting for upload" : `Sending ${percent(share)}`);
    },
    failedToSend(text) {
      item.dataset.status = "failed";
      setButtons("unsent");
      progress(undefined, text, true);
    },
    show(job) {
      item.dataset.status = job.status;
      item.draggable = job.status === "waiting";
      if (job.poster !== null && !thumb.src) thumb.src = `/api/jobs/${job.id}/frame/before?at=${job.poster}`;
      setButtons(job.status, job);
      const [share, text] = progressOf(job);
      progress(share, text, job.status === "failed");
    },
  };
}

/** [share for the bar (undefined: none, null: unknown), how it goes in words]. */
export function progressOf(job) {
  switch (job.status) {
    case "waiting":
      return [undefined, "Waiting in the queue"];
    case "restoring": {
      if (!job.frames) return [null, "Starting …"];
      const left = job.seconds_left === null ? "" : `, ${duration(job.seconds_left)} left`;
      return [job.share, `${job.share === null ? count(job.frames, "frame") : percent(job.share)}, ${job.fps.toFixed(1)} fps${left}`];
    }
    case "done": {
      const sizes = `${bytes(job.output_bytes)} (was ${bytes(job.input_bytes)})`;
      return [undefined, [`${count(job.frames, "frame")} in ${duration(job.seconds)}, ${sizes}`, ...job.warnings].join(". ")];
    }
    default:
      return [undefined, job.error];
  }
}
