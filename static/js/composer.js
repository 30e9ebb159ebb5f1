/* Making clips without leaving the create page: htmx sends the form, and its answer is cards for the feed below, or the form
   with its complaints. Without this script, the form is posted and another page comes. */

(() => {
  "use strict";

  const form = document.getElementById("create-form");
  if (!form || !window.htmx) return;
  const prompt = () => form.elements.prompt; // the form's contents may be replaced

  /* --- Sending: once, however often the button is pressed -------------------------------------------------------------- */

  let isSecondClick = false;
  document.addEventListener("click", (event) => { isSecondClick = event.detail > 1; }, true);

  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    if (!isSecondClick) htmx.trigger(form, "send");
  });

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target !== prompt() || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (event.repeat) return;
    isSecondClick = false;
    form.requestSubmit(form.querySelector("[data-make]"));
  });

  /* --- The form with its complaints: keep what was typed meanwhile, and go to the first of them ------------------------- */

  let typed = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, requestConfig } = event.detail;
    if (target !== form) return;
    typed = prompt().value === requestConfig.formData.get("prompt") ? null : prompt().value;
    // A summary that is still on its way has no place any more.
    document.getElementById("summary").addEventListener("htmx:beforeSwap", (late) => { late.detail.shouldSwap = false; });
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== form) return;
    if (typed !== null) {
      prompt().value = typed;
      prompt().dispatchEvent(new Event("input", { bubbles: true }));
    }
    const wrong = form.querySelector("[aria-invalid='true']");
    (wrong?.closest(".field") ?? form.querySelector(".notice--error"))?.scrollIntoView({ block: "center" });
    wrong?.focus({ preventScroll: true });
  });

  // The answer to a form without mistakes is cards, so the complaints about the one before are still here.
  form.addEventListener("queued", () => {
    form.querySelectorAll(".errorlist, .notice--error").forEach((complaint) => complaint.remove());
    for (const field of form.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
      const told = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => document.getElementById(id));
      if (told.length) field.setAttribute("aria-describedby", told.join(" "));
      else field.removeAttribute("aria-describedby");
    }
  });

  /* --- The arrow up in an empty prompt brings back the recent ones, as in a shell --------------------------------------- */

  let recalled = null;
  let place = -1;
  const recent = () => [...document.querySelectorAll("#recent-prompts [data-prompt]")].map((link) => link.dataset.prompt);

  form.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing);
    if (!step || !isPlain || event.target !== prompt()) return;
    const isRecalled = recalled !== null && prompt().value === recalled;
    if (!isRecalled) place = -1;
    if (prompt().value !== "" && !isRecalled) return; // the arrows move in what was typed
    const prompts = recent();
    const next = Math.min(place + step, prompts.length - 1);
    if (!prompts.length || next < -1) return;
    event.preventDefault();
    place = next;
    recalled = prompts[place] ?? "";
    prompt().value = recalled;
    const status = document.getElementById("recent-status");
    status.textContent = place < 0 ? "" : `${status.dataset.say} ${place + 1}/${prompts.length}: ${recalled}`;
    prompt().dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
