/* Copy the link next to a button, or hand it to the system's own sharing. Copying falls back to execCommand where the
   Clipboard API is missing (plain HTTP). */

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

  // Where there is no such thing, the button stays hidden.
  document.documentElement.classList.toggle("can-share", "share" in navigator);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-share]");
    if (!button) return;
    try {
      await navigator.share({ title: button.dataset.title, url: button.dataset.share });
    } catch { /* the user thought better of it, or nothing can take a link */ }
  });

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
