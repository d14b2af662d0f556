// Files that are chosen or dropped, folders of them among them.

import { byId } from "./dom.js";

const VIDEO = /\.(mp4|m4v|mov|mkv|webm|avi|mts|m2ts|ts|mxf|mpg|mpeg|wmv|flv|3gp|ogv|y4m|vob)$/i;

/** Hand every video that is chosen or dropped to `take(files, leftOut)`, those from before the page was ready first. */
export function takeFiles(take) {
  const drop = byId("drop");

  function takeAll(files, isFolder) {
    const wanted = isFolder ? files.filter(isVideo) : files;
    if (files.length) take(wanted, files.length - wanted.length);
  }

  for (const input of [byId("file"), byId("folder")]) {
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      takeAll(files, input.id === "folder");
    });
  }
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
  let depth = 0; // a drag enters and leaves every element within the page
  window.addEventListener("dragenter", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    depth += 1;
    drop.classList.add("over");
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (!depth) drop.classList.remove("over");
  });
  window.addEventListener("drop", async (event) => {
    depth = 0;
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...event.dataTransfer.files];
    if (!entries.some((entry) => entry.isDirectory)) return takeAll(plain, false);
    takeAll((await Promise.all(entries.map(filesIn))).flat(), true);
  });

  window.takeEarly = takeAll;
  for (const files of window.early.splice(0)) takeAll(files, files.length > 1 && files.every((one) => one.webkitRelativePath));
  for (const input of [byId("file"), byId("folder")]) input.value = ""; // what a reload brought back was taken before
}

const isVideo = (file) => (file.type ? file.type.startsWith("video/") : VIDEO.test(file.name)) || VIDEO.test(file.name);

/** All files below a dropped folder, in the order of their names. */
async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const inside = [];
  for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) inside.push(...some);
  inside.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(filesIn))).flat();
}
