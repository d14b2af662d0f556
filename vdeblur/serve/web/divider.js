// The line between before and after: moved by mouse, finger or keyboard.

const KEYS = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1 };

/** Add a divider to a stage; `onMove` is told 0..1. `takesStage()` says whether a press anywhere moves it. */
export function addDivider(stage, label, onMove, takesStage = () => true) {
  const handle = document.createElement("div");
  handle.className = "divider";
  handle.tabIndex = 0;
  handle.setAttribute("role", "slider");
  handle.setAttribute("aria-label", label);
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", "100");
  let place = 0.5;
  let moves = false;

  function move(to) {
    place = Math.min(Math.max(to, 0), 1);
    stage.style.setProperty("--divider", `${(100 * place).toFixed(2)}%`);
    handle.setAttribute("aria-valuenow", String(Math.round(100 * place)));
    handle.setAttribute("aria-valuetext", `${Math.round(100 * place)} % before`);
    onMove(place);
  }

  function follow(event) {
    const box = stage.getBoundingClientRect();
    move((event.clientX - box.left) / box.width);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || handle.hidden || !(handle.contains(event.target) || takesStage())) return;
    moves = true;
    stage.setPointerCapture(event.pointerId);
    follow(event);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => moves && follow(event));
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (moves = false));
  handle.addEventListener("keydown", (event) => {
    if (event.key in KEYS) move(place + KEYS[event.key]);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const tags = [["Before", "left"], ["After", "right"]].map(([text, side]) => {
    const tag = document.createElement("span");
    tag.className = `tag ${side}`;
    tag.textContent = text;
    return tag;
  });
  stage.append(handle, ...tags);
  move(place);
  return {
    get place() { return place; },
    move,
    show(visible) { for (const part of [handle, ...tags]) part.hidden = !visible; },
  };
}
