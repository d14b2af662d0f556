// Looking closer: a stage shows its layers fitted, pixel by pixel, or larger, and lets itself be dragged about.

const STEP = 1.25;
const LARGEST = 16; // screen pixels to a pixel of the video

/** Zoom for the layers within `stage`; returns its controls. `onchange(text)` is told the scale in words. */
export function addZoom(stage, onchange) {
  let [width, height] = [16, 9];
  let scale = null; // CSS pixels to a pixel of the video; null fits
  let [x, y] = [0, 0]; // the middle of the stage, in pixels of the video
  let dragged = null;

  const ratio = () => window.devicePixelRatio || 1;
  const fitted = () => Math.min(stage.clientWidth / width, stage.clientHeight / height) || 1;
  const present = () => scale ?? fitted();

  /** Keep the video's edges outside the stage, or its middle in the stage's. */
  function kept(middle, length, room) {
    const half = room / present() / 2;
    return 2 * half >= length ? length / 2 : Math.min(Math.max(middle, half), length - half);
  }

  function draw() {
    const now = present();
    if (scale === null) [x, y] = [width / 2, height / 2];
    [x, y] = [kept(x, width, stage.clientWidth), kept(y, height, stage.clientHeight)];
    let [left, top] = [stage.clientWidth / 2 - x * now, stage.clientHeight / 2 - y * now];
    if (scale !== null) [left, top] = [left, top].map((edge) => Math.round(edge * ratio()) / ratio()); // whole pixels
    const set = (name, value) => stage.style.setProperty(name, value);
    set("--width", `${width}px`);
    set("--height", `${height}px`);
    set("--place", `translate(${left}px, ${top}px) scale(${now})`);
    stage.classList.toggle("pixels", now * ratio() >= 2);
    stage.classList.toggle("zoomed", scale !== null);
    onchange(`${Math.round(100 * now * ratio())} %`);
  }

  /** Go to a scale, and keep what is at (atX, atY) of the stage where it is; by itself, its middle. */
  function zoomTo(wanted, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) {
    const [offX, offY] = [atX - stage.clientWidth / 2, atY - stage.clientHeight / 2];
    const [pointX, pointY] = [x + offX / present(), y + offY / present()];
    scale = Math.min(Math.max(wanted, Math.min(fitted(), 1 / ratio())), LARGEST / ratio());
    if (Math.abs(scale / fitted() - 1) < 1e-6) scale = null;
    [x, y] = [pointX - offX / present(), pointY - offY / present()];
    draw();
  }

  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === null && !stage.contains(document.activeElement)) return; // the page scrolls
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoomTo(present() * STEP ** (-Math.sign(event.deltaY)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const box = stage.getBoundingClientRect();
    if (scale === null) zoomTo(Math.max(1 / ratio(), 2 * fitted()), event.clientX - box.left, event.clientY - box.top);
    else fit();
  });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || scale === null || event.target.closest(".divider")) return;
    dragged = { id: event.pointerId, x: event.clientX, y: event.clientY };
    stage.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (dragged?.id !== event.pointerId) return;
    x -= (event.clientX - dragged.x) / present();
    y -= (event.clientY - dragged.y) / present();
    [dragged.x, dragged.y] = [event.clientX, event.clientY];
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (dragged = null));
  new ResizeObserver(draw).observe(stage);

  function fit() {
    scale = null;
    draw();
  }

  return {
    fit,
    pixels: () => zoomTo(1 / ratio()),
    closer: () => zoomTo(present() * STEP),
    further: () => zoomTo(present() / STEP),
    pan(byX, byY) {
      if (scale === null) return false;
      x += (byX * stage.clientWidth) / present();
      y += (byY * stage.clientHeight) / present();
      draw();
      return true;
    },
    get isZoomed() { return scale !== null; },
    /** What is shown has this size in pixels. */
    size(newWidth, newHeight) {
      [width, height] = [newWidth, newHeight];
      stage.style.setProperty("--ratio", `${width} / ${height}`);
      draw();
    },
  };
}
