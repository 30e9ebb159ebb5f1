/* The order of one's own waiting clips: they follow the order that the server tells, and can be dragged to another place.
   The buttons of each clip do the same without a mouse, and without this script. */

(() => {
  "use strict";

  const queue = document.querySelector("[data-queue]");
  if (!queue || !window.htmx) return;
  const waiting = () => [...queue.querySelectorAll(':scope > .job[data-status="queued"]')];
  let dragged = null;

  /* --- What the server says --- */

  const byOrder = (one, other) => (one.dataset.order < other.dataset.order ? -1 : 1);

  const put = (job, before) => {
    const focused = job.contains(document.activeElement) ? document.activeElement : null;
    (queue.moveBefore ?? queue.insertBefore).call(queue, job, before);
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  };

  // Give the places that waiting clips have now to the same clips in their order. Others stay where they are.
  const sort = () => {
    if (dragged) return;
    const present = waiting();
    const wanted = [...present].sort(byOrder);
    if (present.every((job, n) => job === wanted[n])) return;
    const behind = present.at(-1).nextElementSibling;
    const others = new Set(present);
    let next = behind;
    while (next && others.has(next)) next = next.nextElementSibling;
    for (const job of wanted) put(job, next);
  };

  let isAsked = false;
  new MutationObserver(() => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => { isAsked = false; sort(); });
  }).observe(queue, { subtree: true, attributes: true, attributeFilter: ["data-order"] });

  /* --- Dragging --- */

  queue.classList.add("has-drag");

  queue.addEventListener("pointerdown", (event) => {
    const job = event.target.closest(".move__grip") && event.target.closest(".job");
    if (job) job.draggable = true;
  });
  document.addEventListener("pointerup", () => waiting().forEach((job) => job.removeAttribute("draggable")));

  let before = null; // the clip that the dragged one was in front of
  queue.addEventListener("dragstart", (event) => {
    const job = event.target.closest?.(".job");
    if (!job?.draggable) return;
    dragged = job;
    before = job.nextElementSibling;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", job.id);
    job.classList.add("is-dragged");
  });

  queue.addEventListener("dragover", (event) => {
    if (!dragged) return;
    event.preventDefault();
    const job = event.target.closest(".job");
    if (!job || job === dragged || job.dataset.status !== "queued") return;
    const { top, height } = job.getBoundingClientRect();
    put(dragged, event.clientY < top + height / 2 ? job : job.nextElementSibling);
  });
  queue.addEventListener("drop", (event) => event.preventDefault());

  queue.addEventListener("dragend", () => {
    const job = dragged;
    if (!job) return;
    dragged = null;
    job.classList.remove("is-dragged");
    job.removeAttribute("draggable");
    if (job.nextElementSibling === before) return;
    const after = waiting()[waiting().indexOf(job) + 1];
    const form = job.querySelector("form.move");
    if (!form) { sort(); return; } // it has started meanwhile
    const values = { to: "before", other: after ? after.id.replace("job-", "") : "" };
    htmx.ajax("POST", form.action, { source: form, target: job, swap: "outerHTML", values }).finally(sort);
  });
})();
