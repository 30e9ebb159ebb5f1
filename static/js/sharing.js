/* Copy the link next to a button. Falls back to execCommand where the Clipboard API is missing (plain HTTP). */

(() => {
  "use strict";

  const copy = async (field) => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      if (!document.execCommand("copy")) throw new Error("not copied");
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await copy(document.getElementById(button.dataset.copy));
    } catch {
      return; // the link is selected, so it can be copied by hand
    }
    button.dataset.label ??= button.textContent;
    button.textContent = button.dataset.copied;
    const said = button.closest(".share")?.querySelector("[role=status]");
    if (said) said.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = button.dataset.label; }, 2500);
  });
})();
