/* The draft of the create form, kept in this browser until it is submitted. There is one at most, and only its writer gets
   it back: another account's is deleted, and leaving deletes it too (auravideo.js). */

(() => {
  "use strict";

  const form = document.getElementById("create-form");
  if (!form) return;
  const KEY = "create-draft";
  const MOST = 30_000; // characters; more than any form that would be accepted
  const NOT_KEPT = ["csrfmiddlewaretoken", "typed_by", "preset_name", "video_file"];
  const { mode, user } = form.dataset;

  const forget = () => { try { localStorage.removeItem(KEY); } catch { /* without storage nothing is kept */ } };

  const read = () => {
    try {
      const draft = JSON.parse(localStorage.getItem(KEY));
      if (draft?.user === user) return draft;
      forget();
    } catch { /* no storage, or not ours */ }
    return null;
  };

  const valuesOf = () => Object.fromEntries([...new FormData(form)].filter(([name]) => !NOT_KEPT.includes(name)));
  const textOf = () => JSON.stringify({ user, mode, values: valuesOf() });

  /* --- Keeping --------------------------------------------------------------------------------------------------------- */

  let kept = textOf(); // what the page came with is no draft
  let written = null; // by this page, or restored by it: another tab may have a draft of its own
  let isAsked = false; // the form is not whole yet
  const keep = () => {
    if (isAsked) return;
    const text = textOf();
    if (text === kept || text.length > MOST) return;
    kept = written = text;
    try { localStorage.setItem(KEY, text); } catch { /* no storage, or full */ }
  };

  let timer = null;
  const keepSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(keep, 300);
  };
  form.addEventListener("input", keepSoon);
  form.addEventListener("change", keepSoon);
  window.addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });

  form.addEventListener("queued", () => {
    clearTimeout(timer);
    kept = textOf();
    try { if (localStorage.getItem(KEY) === written) forget(); } catch { /* without storage nothing is kept */ }
  });

  /* --- Restoring ------------------------------------------------------------------------------------------------------- */

  // Set what can be set here; return whether the server has to do the rest, such as the camera motions of another model.
  const fill = (values) => {
    let isMore = false;
    for (const [name, value] of Object.entries(values)) {
      const field = form.elements[name];
      if (field && field.value === value) continue;
      if (field) field.value = value;
      const isHidden = field?.type === "hidden"; // simple mode lists these
      isMore ||= !field || field.value !== value || isHidden || ["model", "motion_adapter"].includes(name);
    }
    return isMore;
  };

  const ask = (draft) => {
    const to = mode === draft.mode ? "" : `&to=${mode}`;
    isAsked = true;
    htmx.ajax("POST", `${form.dataset.edit}?mode=${draft.mode}${to}`, {
      source: form, target: form, swap: "innerHTML", select: "#create-form > *", values: draft.values,
    }).finally(() => {
      isAsked = false;
      keep();
    });
  };

  const restore = (draft) => {
    if (draft.mode !== mode && !new URLSearchParams(location.search).has("mode")) {
      kept = textOf(); // leaving must not keep this empty form instead
      location.replace(`?mode=${draft.mode}`);
      return;
    }
    // The prompt is there at once, and may be typed on while the server answers (composer.js).
    if (draft.mode !== mode) form.elements.prompt.value = draft.values.prompt ?? "";
    const isMore = draft.mode !== mode || fill(draft.values);
    document.addEventListener("DOMContentLoaded", () => { // by then htmx listens
      if (isMore) ask(draft);
      else form.dispatchEvent(new Event("change", { bubbles: true })); // for the summary
    });
  };

  const draft = read();
  if (form.dataset.draft === "typed") { // by now in this mode, or with a preset
    kept = "";
    keep();
  } else if (draft && form.dataset.draft === "blank" && window.htmx) {
    kept = written = JSON.stringify(draft);
    restore(draft);
  }
})();
