// Runs before the page is drawn: what is chosen or dropped while the rest still loads waits here, and is never lost.

window.early = [];
window.takeEarly = null; // set by take.js once it can take files itself

document.addEventListener("change", (event) => {
  const input = event.target;
  if (!window.takeEarly && input.type === "file" && input.files.length) window.early.push([...input.files]);
}, true);
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault(); // a file that misses the zone must not replace the page
    if (!window.takeEarly && kind === "drop") window.early.push([...event.dataTransfer.files]);
  });
}
