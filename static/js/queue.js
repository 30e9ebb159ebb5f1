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

  // By pointer events, which fingers have too. The clip itself moves when it is let go; until then a line shows where.
  queue.classList.add("has-drag");
  let goal = null; // {job, isBelow}: where it would be put

  const showGoal = (found) => {
    goal?.job.classList.remove("is-goal", "is-goal--below");
    goal = found;
    goal?.job.classList.add("is-goal");
    goal?.job.classList.toggle("is-goal--below", goal.isBelow);
  };

  const goalAt = (y) => {
    const others = waiting().filter((job) => job !== dragged);
    const above = others.filter((job) => {
      const { top, height } = job.getBoundingClientRect();
      return y > top + height / 2;
    });
    const next = others[above.length];
    if (next) return { job: next, isBelow: false };
    return above.length ? { job: above.at(-1), isBelow: true } : null;
  };

  const drop = () => {
    const [job, place] = [dragged, goal];
    showGoal(null);
    job.classList.remove("is-dragged");
    dragged = null;
    const form = job.querySelector("form.move");
    if (!place || !form) { sort(); return; } // it has started meanwhile
    const other = place.isBelow ? "" : place.job.id.replace("job-", "");
    put(job, place.isBelow ? place.job.nextElementSibling : place.job);
    const values = { to: "before", other };
    htmx.ajax("POST", form.action, { source: form, target: job, swap: "outerHTML", values }).finally(sort);
  };

  queue.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".move__grip");
    if (!grip || event.button) return;
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    dragged = grip.closest(".job");
    dragged.classList.add("is-dragged");
  });
  queue.addEventListener("pointermove", (event) => { if (dragged) showGoal(goalAt(event.clientY)); });
  queue.addEventListener("pointerup", () => { if (dragged) drop(); });
  queue.addEventListener("pointercancel", () => { if (dragged) { showGoal(null); drop(); } });
})();
