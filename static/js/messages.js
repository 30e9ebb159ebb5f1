/* Messages that are true only for a while: what was queued has ended ("data-until" names the clips). */

(() => {
  "use strict";

  const over = new Set(); // a card may be removed, and a row leave the panel, before the others have ended
  const isOver = (id) => {
    const shown = document.getElementById(`job-${id}`) ?? document.getElementById(`active-${id}`);
    if (["done", "failed", "cancelled"].includes(shown?.dataset.status)) over.add(id);
    return over.has(id);
  };

  const tidy = () => {
    for (const message of document.querySelectorAll("[data-until]")) {
      const isDone = message.dataset.until.split(",").map(isOver).every(Boolean); // looks at every one
      if (isDone) message.remove();
    }
  };

  for (const type of ["htmx:wsAfterMessage", "jobs:news", "htmx:afterSettle"]) document.addEventListener(type, tidy);
})();
