/* What the pages do beyond HTML. Every page works without it: forms post, pages reload.

   Live progress: the socket sends the same <article class="job"> that the page was made of. It is merged into the one on
   the page instead of replacing it, so that focus, a click in progress, a playing video, a running preview and the live
   region that a screen reader listens to all survive five updates a second. */

(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("js");

  /* --- Live jobs --------------------------------------------------------------------------------------------------- */

  const isOlder = (incoming, present) => {
    const [newVersion, oldVersion] = [incoming, present].map((job) => Number(job.dataset.version));
    const [newProgress, oldProgress] = [incoming, present].map((job) => Number(job.dataset.progress));
    return newVersion < oldVersion || (newVersion === oldVersion && newProgress < oldProgress);
  };

  const isSameKind = (one, other) =>
    one.nodeType === other.nodeType &&
    one.nodeName === other.nodeName &&
    (one.nodeType !== Node.ELEMENT_NODE ||
      ((one.id || "") === (other.id || "") && one.getAttribute("action") === other.getAttribute("action")));

  const mergeAttributes = (present, incoming) => {
    for (const { name } of [...present.attributes]) {
      if (!incoming.hasAttribute(name)) present.removeAttribute(name);
    }
    for (const { name, value } of incoming.attributes) {
      if (present.getAttribute(name) !== value) present.setAttribute(name, value);
    }
  };

  const merge = (present, incoming) => {
    if (present.nodeType !== Node.ELEMENT_NODE) {
      if (present.nodeValue !== incoming.nodeValue) present.nodeValue = incoming.nodeValue;
      return;
    }
    mergeAttributes(present, incoming);
    const olds = [...present.childNodes];
    const news = [...incoming.childNodes];
    news.forEach((child, index) => {
      const old = olds[index];
      if (!old) present.appendChild(child);
      else if (isSameKind(old, child)) merge(old, child);
      else old.replaceWith(child);
    });
    olds.slice(news.length).forEach((child) => child.remove());
  };

  // What the socket sends was made for no particular page, so its forms lack the token that those of the page have.
  const keepTokens = (present, incoming) => {
    for (const form of incoming.querySelectorAll("form")) {
      const twin = present.querySelector(`form[action="${CSS.escape(form.getAttribute("action"))}"]`);
      const token = twin?.querySelector("[name=csrfmiddlewaretoken]");
      if (token && !form.querySelector("[name=csrfmiddlewaretoken]")) form.prepend(token.cloneNode());
    }
  };

  const updateJob = (present, incoming) => {
    if (isOlder(incoming, present)) return;
    const focusWasInside = present.contains(document.activeElement);
    keepTokens(present, incoming);
    merge(present, incoming);
    htmx.process(present);
    if (focusWasInside && !present.contains(document.activeElement)) {
      (present.querySelector(".buttons :is(a, button)") ?? present.querySelector("a"))?.focus({ preventScroll: true });
    }
  };

  const parse = (html) => new DOMParser().parseFromString(html, "text/html").body;

  if (window.htmx) {
    htmx.defineExtension("jobs", {
      // The socket reports every job of this person; what this page does not show is left out before htmx misses it.
      transformResponse: (text, xhr) => {
        if (xhr) return text;
        const body = parse(text);
        for (const child of [...body.children]) {
          if (!document.getElementById(child.id)) child.remove();
        }
        return body.innerHTML;
      },
    });

    document.addEventListener("htmx:oobBeforeSwap", (event) => {
      const { target, fragment } = event.detail;
      if (!target.matches(".job")) return;
      event.detail.shouldSwap = false;
      updateJob(target, fragment.firstElementChild);
    });

    // The answer to 'cancel' may be overtaken by what the socket has brought meanwhile.
    document.addEventListener("htmx:beforeSwap", (event) => {
      const { target, serverResponse } = event.detail;
      if (!target?.matches(".job")) return;
      const incoming = parse(serverResponse ?? "").querySelector(".job");
      if (!incoming || incoming.id !== target.id) return;
      event.detail.shouldSwap = false;
      updateJob(target, incoming);
    });

    // A page that is left takes its requests with it, which is no error.
    const underway = new Set();
    let isLeaving = false;
    document.addEventListener("htmx:beforeSend", (event) => underway.add(event.detail.xhr));
    document.addEventListener("htmx:afterRequest", (event) => underway.delete(event.detail.xhr));
    document.addEventListener("htmx:beforeRequest", (event) => { if (isLeaving) event.preventDefault(); });
    window.addEventListener("beforeunload", () => {
      isLeaving = true;
      for (const xhr of underway) xhr.onerror = xhr.onabort = null;
      setTimeout(() => { isLeaving = false; }, 2000); // it may have been a download
    });
    window.addEventListener("pageshow", () => { isLeaving = false; });

    const offline = document.getElementById("offline");
    let offlineTimer = null;
    document.addEventListener("htmx:wsOpen", () => {
      clearTimeout(offlineTimer);
      if (offline) offline.hidden = true;
    });
    document.addEventListener("htmx:wsClose", (event) => {
      clearTimeout(offlineTimer);
      offlineTimer = setTimeout(() => { if (offline) offline.hidden = false; }, 3000);
      // The extension comes back by itself after an accident, but not after a server's orderly goodbye.
      const retried = [1006, 1011, 1012, 1013];
      if (!retried.includes(event.detail.event.code)) {
        setTimeout(() => event.detail.socketWrapper.reconnect(), 1000 + 4000 * Math.random());
      }
    });
  }

  /* --- Forms: start where something is wrong -------------------------------------------------------------------------- */

  document.querySelector("[aria-invalid='true']")?.focus();

  /* --- Library: the moving preview of the clip under the pointer, or in focus ----------------------------------------- */

  const startPreview = (card) => {
    const screen = card.querySelector(".screen");
    if (!card.dataset.preview || screen.querySelector(".card__preview")) return;
    const moving = new Image();
    moving.className = "card__preview";
    moving.alt = "";
    moving.addEventListener("error", () => moving.remove());
    moving.src = card.dataset.preview;
    screen.querySelector("img").after(moving);
  };
  const stopPreview = (card) => card.querySelector(".card__preview")?.remove();

  const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
  const cardOf = (event) => event.target.closest?.(".card[data-preview]");
  for (const type of ["mouseover", "focusin"]) {
    document.addEventListener(type, (event) => {
      const card = cardOf(event);
      if (card && !stillness.matches) startPreview(card);
    });
  }
  for (const type of ["mouseout", "focusout"]) {
    document.addEventListener(type, (event) => {
      const card = cardOf(event);
      if (card && !card.contains(event.relatedTarget)) stopPreview(card);
    });
  }

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
    if (!event.target.closest("[data-theme-switch]")) return;
    const present = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = present === "dark" ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });
})();
