/* Scripts for the create pages. Without them, every button posts the form and gets it back changed. */

(() => {
  "use strict";

  /* --- Dropping files: anywhere on the page, as it has only one file field ------------------------------------------ */

  const chooseDropped = (find) => {
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      document.documentElement.classList.add("is-dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.documentElement.classList.remove("is-dropping");
    });
    document.addEventListener("drop", (event) => {
      document.documentElement.classList.remove("is-dropping");
      if (!hasFiles(event)) return;
      event.preventDefault();
      const input = find();
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  };

  /* --- Files that are too large: the server would refuse them unread, and what was typed with them -------------------- */

  const complain = (input, text) => {
    const id = `${input.id}-too-large`;
    document.getElementById(id)?.remove();
    input.removeAttribute("aria-invalid");
    if (!text) return;
    input.setAttribute("aria-invalid", "true");
    const list = document.createElement("ul");
    Object.assign(list, { id, className: "errorlist", role: "alert" });
    list.append(Object.assign(document.createElement("li"), { textContent: text }));
    input.after(list);
    input.closest("details")?.setAttribute("open", "");
    list.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.dataset?.most) return;
    const isTooLarge = [...input.files].some((file) => file.size > Number(input.dataset.most));
    complain(input, isTooLarge ? input.dataset.tooLarge : "");
    if (!isTooLarge) return;
    input.value = "";
    event.stopImmediatePropagation();
  }, true);

  const many = document.querySelector("[data-drop]");
  if (many) chooseDropped(() => many.querySelector(many.dataset.drop));

  const form = document.querySelector("[data-create]");
  if (!form) return;

  chooseDropped(() => form.querySelector("[data-video-file]"));
  form.addEventListener("change", (event) => {
    const { files, dataset } = event.target;
    if (!dataset.videoFile) return;
    event.stopPropagation(); // the clip has not been read yet, so the summary is still right
    if (files.length) form.requestSubmit(form.querySelector(dataset.videoFile));
  }, true);

  /* --- Block invalid numbers: they would be sent as empty, which means the default ------------------------------------ */

  form.addEventListener("submit", (event) => {
    const wrong = [...form.elements].find((field) => field.validity?.badInput);
    if (!wrong) return;
    event.preventDefault();
    wrong.reportValidity();
  });

  /* --- Enter in a field with its own button presses that button ------------------------------------------------------- */

  form.addEventListener("keydown", (event) => {
    const button = event.key === "Enter" && event.target.dataset.enter;
    if (!button) return;
    event.preventDefault();
    form.querySelector(button).click();
  });

  /* --- Examples and dice ---------------------------------------------------------------------------------------------- */

  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

  form.addEventListener("click", (event) => {
    const example = event.target.closest("[data-prompt]");
    if (example) {
      event.preventDefault();
      form.elements.prompt.value = example.dataset.prompt;
      form.elements.prompt.focus();
      example.closest(".recent")?.removeAttribute("open");
      changed(form.elements.prompt);
    }
    const dice = event.target.closest("[data-dice]");
    if (dice) {
      form.elements.seed.value = crypto.getRandomValues(new Uint32Array(1))[0];
      changed(form.elements.seed);
    }
  });

  /* --- Responses: skip an unchanged summary, keep what was typed since the request ------------------------------------ */

  const wasChanged = (fields, sent) =>
    [...fields.querySelectorAll("[name]")].some((field) => field.value !== (sent.get(field.name) ?? ""));

  // The section of the model, and what is swapped with it.
  const partsOf = (section) =>
    [section, ...document.querySelectorAll(section.getAttribute("hx-select-oob"))];

  let lastSummary = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, serverResponse, requestConfig } = event.detail;
    if (target.id === "summary-body") {
      if (serverResponse === lastSummary) event.detail.shouldSwap = false;
      lastSummary = serverResponse;
    } else if (target.id === "model-fields" && partsOf(target).some((part) => wasChanged(part, requestConfig.formData))) {
      event.detail.shouldSwap = false;
      setTimeout(() => htmx.trigger(target, "stale"));
    }
  });

  // Whether another option was chosen than the one that the server chose.
  const isChosenAnew = (select) => {
    const options = [...select?.options ?? []];
    const isMarked = options.some((option) => option.defaultSelected);
    return isMarked && options.some((option) => option.selected !== option.defaultSelected);
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "model-fields") return;
    // htmx hears the new fields only now: what was chosen within the moment since they were swapped would be lost.
    const { model, motion_adapter: adapter, aspect } = form.elements;
    if ([model, adapter, aspect].some(isChosenAnew)) setTimeout(() => htmx.trigger("#model-fields", "stale"));
    else htmx.trigger("#summary", "refitted");
  });

  /* --- Fields that depend on the shape and the model ------------------------------------------------------------------ */

  const showWhatCounts = () => {
    const isCustom = form.elements.aspect?.value === "custom";
    form.querySelectorAll(".field--custom").forEach((field) => { field.hidden = !isCustom; });
    const resolution = form.querySelector(".field:has([type=number][name=short_side])");
    if (resolution) resolution.hidden = isCustom;
    const model = form.elements.model?.value;
    form.querySelectorAll("[data-for-model]").forEach((note) => { note.hidden = note.dataset.forModel !== model; });
  };
  form.addEventListener("change", showWhatCounts);
  document.addEventListener("htmx:afterSettle", showWhatCounts);
  showWhatCounts();
  form.querySelectorAll("[data-open-when-wide]").forEach((more) => { more.open = matchMedia("(min-width: 56rem)").matches; });
})();
