/* Scripts for the library: selecting several videos, returning to the same place, cancelling a change of title. */

(() => {
  "use strict";

  /* --- Selecting ------------------------------------------------------------------------------------------------------- */

  const boxes = () => [...document.querySelectorAll('input[name="video"][form="selection"]')];

  // The boxes under a heading, which stands between the cards, not around them: the list grows as it is scrolled.
  const boxesUnder = (heading) => {
    const found = [];
    for (let item = heading.nextElementSibling; item && !item.matches(".dated"); item = item.nextElementSibling) {
      found.push(...item.querySelectorAll('input[name="video"][form="selection"]'));
    }
    return found;
  };

  const mark = (all, those) => {
    const chosen = those.filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === those.length;
    all.indeterminate = chosen > 0 && !all.checked;
  };

  const count = () => {
    const bar = document.getElementById("selection");
    if (!bar) return;
    const chosen = boxes().filter((box) => box.checked).length;
    const tooMany = chosen > Number(bar.dataset.most);
    bar.querySelector("output").textContent = chosen;
    bar.querySelectorAll("[name=act]").forEach((button) => { button.disabled = tooMany; });
    bar.querySelector("[data-too-many]").hidden = !tooMany;
    document.querySelectorAll("[data-select-all]").forEach((all) => mark(all, boxes()));
    document.querySelectorAll("[data-select-period]").forEach((all) => mark(all, boxesUnder(all.closest(".dated"))));
  };

  const choose = (checked, those = boxes()) => {
    those.forEach((box) => { box.checked = checked; });
    count();
  };

  // Shift-click: everything between the last clicked box and this one.
  let last = null;
  const extend = (box) => {
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
    if (from >= 0) all.slice(from, to + 1).forEach((between) => { between.checked = box.checked; });
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) choose(event.target.checked);
    else if (event.target.matches("[data-select-period]")) choose(event.target.checked, boxesUnder(event.target.closest(".dated")));
    else if (event.target.name === "video") count();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-select-none]")) {
      choose(false);
      document.querySelector("[data-select-all]")?.focus();
    }
    if (!event.target.matches('input[name="video"]')) return;
    if (event.shiftKey) extend(event.target);
    last = event.target;
    count();
  });
  document.addEventListener("htmx:afterSettle", count);
  window.addEventListener("pageshow", count); // going back to a page restores its checkboxes

  /* --- Dates ----------------------------------------------------------------------------------------------------------- */

  // Every page begins with a heading; when it is appended to another, its first cards may belong under the last one there.
  document.addEventListener("htmx:afterSwap", () => {
    const seen = new Set();
    document.querySelectorAll("#cards > .dated").forEach((heading) => {
      if (seen.has(heading.dataset.period)) heading.remove();
      seen.add(heading.dataset.period);
    });
  });

  /* --- Requests -------------------------------------------------------------------------------------------------------- */

  // If the session has ended, show the sign-in page itself, not a part of it inside this page.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr?.responseURL && new URL(xhr.responseURL).pathname.startsWith("/accounts/")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });

  /* --- The title ------------------------------------------------------------------------------------------------------- */

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") event.target.closest?.(".title__form")?.querySelector("[data-cancel]").click();
  });
})();
