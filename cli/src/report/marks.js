// Shows the text of a mark: on hover, on tap, and by arrow keys in a plot that has the focus. Without this script
// the same text is the mark's title.
"use strict";
(() => {
  const readout = document.getElementById("readout");
  let current = null;
  const group = (mark) => mark && mark.dataset.group !== undefined
    ? mark.closest("[data-plot]").querySelectorAll(`[data-group="${mark.dataset.group}"]`) : [];
  const show = (mark) => {
    if (mark === current) return;
    for (const part of current ? [current, ...group(current)] : []) part.classList.remove("lit");
    for (const part of mark ? [mark, ...group(mark)] : []) part.classList.add("lit");
    current = mark;
    const title = mark && mark.querySelector("title");
    readout.hidden = !title;
    readout.textContent = title ? title.textContent : "";
  };
  const markOf = (event) => event.target.closest && event.target.closest("[data-mark]");
  // A page that scrolls under a resting mouse must not override the selection by keyboard.
  let place = "";
  document.addEventListener("pointermove", (event) => {
    const before = place;
    place = `${event.screenX} ${event.screenY}`;
    if (event.pointerType === "mouse" && place !== before) show(markOf(event));
  });
  document.addEventListener("click", (event) => show(markOf(event)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return show(null);
    const plot = document.activeElement.closest("[data-plot]");
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!plot || !step || document.activeElement !== plot) return;
    const marks = [...plot.querySelectorAll("[data-mark]")];
    const at = marks.indexOf(current);
    const next = marks[at < 0 ? (step > 0 ? 0 : marks.length - 1)
      : Math.min(Math.max(at + step, 0), marks.length - 1)];
    if (!next) return;
    event.preventDefault();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
    show(next);
  });
})();
