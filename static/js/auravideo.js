/* Scripts for every page. Pages work without them: forms post, pages reload. Live progress is in jobs.js. */

(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("js");

  /* --- Forms: focus the first invalid field --------------------------------------------------------------------------- */

  document.querySelector("[aria-invalid='true']")?.focus();

  /* --- Dates and times: show them in the browser's time zone ---------------------------------------------------------- */

  const zoned = new Intl.DateTimeFormat(root.lang === "en" ? "en-GB" : root.lang, { dateStyle: "long", timeStyle: "short" });
  const tellMoments = (part) => {
    part.querySelectorAll("time[data-moment]").forEach((time) => { time.textContent = zoned.format(new Date(time.dateTime)); });
  };
  tellMoments(document);
  // For what is grouped by days on the server (auravideo/core/middleware.py).
  const zone = zoned.resolvedOptions().timeZone;
  if (!document.cookie.split("; ").includes(`zone=${zone}`)) document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  document.addEventListener("htmx:load", (event) => tellMoments(event.target));

  /* --- Requests: those aborted by leaving the page are not errors ----------------------------------------------------- */

  const underway = new Set();
  let isLeaving = false;
  document.addEventListener("htmx:beforeSend", (event) => underway.add(event.detail.xhr));
  document.addEventListener("htmx:afterRequest", (event) => underway.delete(event.detail.xhr));
  document.addEventListener("htmx:beforeRequest", (event) => { if (isLeaving) event.preventDefault(); });
  window.addEventListener("beforeunload", () => {
    isLeaving = true;
    for (const xhr of underway) xhr.onerror = xhr.onabort = null;
    setTimeout(() => { isLeaving = false; }, 2000); // the page stays if it was a download
  });
  window.addEventListener("pageshow", () => { isLeaving = false; });

  /* --- Forms are sent once, however often their button is pressed ------------------------------------------------------- */

  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return; // by htmx, which has its own ways
    const now = performance.now();
    if (now - (sent.get(event.target) ?? -Infinity) < 1000) event.preventDefault();
    else sent.set(event.target, now);
  });

  /* --- Whoever leaves takes along what this browser keeps for them: somebody else may use it next ----------------------- */

  // The message says what: the draft of the create form (draft.js) after signing out, everything with the account. Not when
  // the form is sent, which may be refused, and before which the page being left may keep a last change.
  const left = document.querySelector("[data-left]")?.dataset.left;
  try {
    if (left) localStorage.removeItem("create-draft");
    if (left === "for-good") [localStorage, sessionStorage].forEach((storage) => storage.clear());
  } catch { /* without storage there is nothing */ }

  /* --- Refusals: say why a request was not accepted (503: too busy; 429: too often; 403: the form came from elsewhere). What was typed stays. ---------------- */

  const refused = document.getElementById("refused");
  let refusedTimer = null;
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    const isText = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
    if (!refused || ![429, 503].includes(xhr.status) && !(isText && xhr.status === 403)) return;
    refused.textContent = isText ? xhr.responseText : refused.dataset.busy; // or it is a proxy's
    refused.hidden = false;
    clearTimeout(refusedTimer);
    refusedTimer = setTimeout(() => { refused.hidden = true; }, 10_000);
  });
  document.addEventListener("htmx:beforeSwap", (event) => { if (refused && event.detail.xhr?.status < 400) refused.hidden = true; });

  /* --- Menu and theme ------------------------------------------------------------------------------------------------ */

  const closeMenus = (except) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => { if (menu !== except) menu.open = false; });
  };
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-switch]");
    if (!button) return;
    const present = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = present === "dark" ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
    if (!button.dataset.themeSwitch) return;
    // For a signed-in user the profile's theme takes precedence over the cookie.
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    fetch(button.dataset.themeSwitch, { method: "POST", headers, body: new URLSearchParams({ theme: root.dataset.theme }) }).catch(() => {});
  });
})();
