/* Keyboard shortcuts of one key, and their list. Loaded for signed-in users, who can switch them off (WCAG 2.1.4).

   What a key does is a link or button of the page that has it as `data-key`, so it does nothing where that is missing,
   and the server decides where it leads. */

(() => {
  "use strict";

  const LEADER = "g";
  const LEADER_MS = 1500;
  const TYPED_INTO = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])";
  const isOn = document.body.hasAttribute("data-keys");
  const list = document.getElementById("keys");

  const openList = () => { if (!list.open) list.showModal(); };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-list]")) openList();
    if (event.target === list) list.close(); // the backdrop
  });

  /* --- What the keys do ------------------------------------------------------------------------------------------------ */

  const search = () => {
    const field = document.querySelector("main input[type=search]");
    if (!field) return location.assign(document.body.dataset.search);
    field.focus();
    field.select();
  };

  const follow = (key) => {
    const marked = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const found = marked?.matches("a, button") ? marked : marked?.querySelector("a, button");
    if (!found) return false;
    // Walking from video to video adds no pages to go back through.
    if (found.matches("a[data-replace]")) location.replace(found.href);
    else found.click();
    return true;
  };

  let leaderAt = -Infinity;
  const act = (key) => {
    const isLed = performance.now() - leaderAt < LEADER_MS;
    leaderAt = key === LEADER && !isLed ? performance.now() : -Infinity;
    if (isLed) return follow(`${LEADER} ${key}`);
    if (key === "/") search();
    else if (key === "?") openList();
    else return follow(key);
    return true;
  };

  /* --- When they do it ------------------------------------------------------------------------------------------------- */

  // A player's own keys are seeking and volume; a menu, a dialog and an edited title are closed by Escape.
  const isTaken = ({ key, target }) =>
    target.closest?.(TYPED_INTO) ||
    (key.startsWith("Arrow") && target.closest?.("video, [role=radiogroup], input")) ||
    document.fullscreenElement ||
    document.querySelector("dialog[open], details.menu[open]");

  // While capturing: before other handlers have closed what Escape closes.
  document.addEventListener("keydown", (event) => {
    const { key } = event;
    if (!isOn || event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing || !event.target) return;
    if (isTaken(event)) return;
    if (act(key)) event.preventDefault();
  }, true);

  // After `/` on a page without a search field.
  if (location.hash && location.hash === new URL(document.body.dataset.search, location).hash) {
    document.querySelector(location.hash)?.focus();
  }
})();
