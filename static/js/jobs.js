/* Live progress. The server sends the same HTML that the page was rendered from: a job's article, the panel, one of its
   rows, a count (connection.js receives it). It is merged into the page instead of replacing parts of it, so that focus,
   scrolling, a click in progress, an open panel, a playing video and a running preview survive five updates per second. */

(() => {
  "use strict";

  if (!window.htmx) return;
  const parse = (html) => new DOMParser().parseFromString(html, "text/html").body;

  /* --- Merging ------------------------------------------------------------------------------------------------------ */

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
    if (present.classList.contains("htmx-request")) incoming.classList.add("htmx-request"); // htmx removes it
    const isOurs = (name) => name === "open" && present.nodeName === "DETAILS"; // opened by the user, not the server
    for (const { name } of [...present.attributes]) {
      if (!incoming.hasAttribute(name) && !isOurs(name)) present.removeAttribute(name);
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
    if ("keep" in present.dataset || present.isEqualNode(incoming)) return;
    if (present.dataset.version && isOlder(incoming, present)) return;
    mergeAttributes(present, incoming);
    mergeChildren(present, incoming);
  };

  // Moving without removing keeps the focus. In browsers without moveBefore, `update` restores it.
  const move = (parent, child, before) => (parent.moveBefore ?? parent.insertBefore).call(parent, child, before);

  // Match children by ID where they have one, forms and links by where they lead, so that a new row or button does not turn
  // every one behind it into another.
  const nameOf = (child) => child.id || child.getAttribute?.("action") || child.getAttribute?.("href");
  const mergeChildren = (present, incoming) => {
    const wanted = new Set([...incoming.children].map(nameOf).filter(Boolean));
    const twins = new Map([...present.children].filter((child) => wanted.has(nameOf(child))).map((child) => [nameOf(child), child]));
    let old = present.firstChild;
    const dropUnwanted = () => {
      while (old && !twins.has(nameOf(old))) {
        const next = old.nextSibling;
        old.remove();
        old = next;
      }
    };
    for (const child of [...incoming.childNodes]) {
      const twin = twins.get(nameOf(child));
      if (twin && isSameKind(twin, child)) {
        dropUnwanted();
        if (twin === old) old = old.nextSibling;
        else move(present, twin, old);
        merge(twin, child);
      } else if (old && !twins.has(nameOf(old))) {
        const next = old.nextSibling;
        if (isSameKind(old, child)) merge(old, child);
        else old.replaceWith(child);
        old = next;
      } else {
        present.insertBefore(child, old);
      }
    }
    while (old) {
      const next = old.nextSibling;
      old.remove();
      old = next;
    }
  };

  // What the socket sends was made without a request, so its forms lack the page's CSRF token.
  const keepTokens = (present, incoming) => {
    for (const form of incoming.querySelectorAll("form")) {
      const twin = present.querySelector(`form[action="${CSS.escape(form.getAttribute("action"))}"]`);
      const token = twin?.querySelector("[name=csrfmiddlewaretoken]");
      if (token && !form.querySelector("[name=csrfmiddlewaretoken]")) form.prepend(token.cloneNode());
    }
  };

  const update = (present, incoming) => {
    if (present.dataset.version && isOlder(incoming, present)) return;
    const focused = present.contains(document.activeElement) ? document.activeElement : null;
    const nearby = focused?.closest(".job, .active__row");
    keepTokens(present, incoming);
    if (present.matches(".job")) announceStage(present, incoming);
    if (present.matches("#active-jobs, .active__row")) keepNewWhileOpen(present, incoming);
    merge(present, incoming);
    htmx.process(present);
    if (present.matches("#active-jobs, .active__row")) panelChanged();
    if (!focused || present.contains(document.activeElement)) return;
    const next = focused.isConnected ? focused : nearby?.isConnected ? nearby : present;
    const target = next === focused ? focused : next.querySelector(".buttons :is(a, button), a, summary");
    target?.focus({ preventScroll: true });
  };

  const removeJob = (job) => {
    if (!job.closest(".jobs")) return; // a job's own page keeps showing it
    const hadFocus = job.contains(document.activeElement);
    const next = job.nextElementSibling ?? job.previousElementSibling;
    job.remove();
    if (hadFocus) (next?.querySelector(".job__prompt a") ?? document.getElementById("main"))?.focus({ preventScroll: true });
  };

  // Offer newer jobs instead of inserting them, which would move the list under the reader.
  const all = document.getElementById("count-all");
  let fewest = Number(all?.textContent);
  const offerNewer = () => {
    const newer = document.querySelector("#newer-jobs a");
    if (newer && Number(all.textContent) > fewest) newer.hidden = false;
    fewest = Math.min(fewest, Number(all.textContent));
  };

  const apply = (present, incoming) => {
    if ("gone" in incoming.dataset) removeJob(present);
    else update(present, incoming);
    if (present === all) offerNewer();
  };

  const applyAll = (parts) => {
    for (const part of parts) {
      const present = part.id && document.getElementById(part.id);
      if (present?.matches("[data-merge]")) apply(present, part);
    }
  };

  /* --- What arrives: messages of the socket, answers to questions, responses to clicks ------------------------------- */

  htmx.defineExtension("jobs", {
    // Drop parts that this page does not show, or htmx would report a missing target.
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
    if (!target.matches("[data-merge]")) return;
    event.detail.shouldSwap = false;
    apply(target, fragment.firstElementChild);
  });

  document.addEventListener("jobs:news", (event) => applyAll([...parse(event.detail).children]));

  // The socket may overtake the response to a click, so responses are merged too.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, serverResponse, xhr } = event.detail;
    if (!target?.closest(".job, #active-jobs") || xhr.status === 204) return;
    event.detail.shouldSwap = false;
    const parts = xhr.status === 200 ? [...parse(serverResponse).children] : [];
    if (!parts.some((part) => part.matches(".job, #active-jobs"))) {
      // The job is gone or the user has signed out, so the page is stale. Don't reload pages that only have the panel: the
      // user may be typing.
      if (xhr.status < 500 && target.closest(".job")) location.reload();
      return;
    }
    applyAll(parts);
    if (target.matches(".job") && !parts.some((part) => part.id === target.id)) removeJob(target);
  });

  /* --- For screen readers -------------------------------------------------------------------------------------------- */

  const announcer = document.getElementById("announcer");
  const toSay = new Set();
  let sayTimer = null;
  const say = (text) => {
    toSay.add(text);
    if (announcer) announcer.textContent = "";
    sayTimer ??= setTimeout(() => {
      if (announcer) announcer.textContent = [...toSay].join(". ");
      toSay.clear();
      sayTimer = null;
    }, 400);
  };

  // Announce the start, each stage and a cancellation of the jobs on this page. The panel announces ends on every page.
  const announceStage = (present, incoming) => {
    const { say: state, status } = incoming.dataset;
    if (state === present.dataset.say || status === "done" || status === "failed") return;
    say(`${state}: ${incoming.querySelector(".job__prompt a")?.textContent.trim()}`);
  };

  /* --- The panel ------------------------------------------------------------------------------------------------------ */

  const panel = document.getElementById("active-jobs");
  if (!panel) return;

  const rows = () => [...panel.querySelectorAll(".active__row")];
  const isNew = (row) => !row.querySelector(".badge--new").hidden;
  const promptOf = (row) => row.querySelector("a").textContent.trim();
  const endOf = (row) => `${row.id} ${row.dataset.ended}`;
  const known = new Set(rows().filter((row) => row.dataset.ended).map(endOf));
  let newest = Math.max(0, ...rows().map((row) => Number(row.dataset.ended ?? 0)));
  let endedWhileAway = 0;

  const panelChanged = () => {
    const ended = rows().filter((row) => row.dataset.ended);
    const fresh = ended.filter((row) => !known.has(endOf(row)) && Number(row.dataset.ended) >= newest);
    for (const row of ended) {
      known.add(endOf(row));
      newest = Math.max(newest, Number(row.dataset.ended));
    }
    for (const row of fresh) {
      say(`${row.dataset.title}: ${promptOf(row)}`);
      if (document.hidden) endedWhileAway += 1;
    }
    markSeen();
    showTitle();
    const running = rows().filter((row) => row.dataset.status === "running").map((row) => Number(row.dataset.progress));
    document.dispatchEvent(new CustomEvent("jobs:panel", { detail: { running, ended: fresh.map(endOf), rows: fresh } }));
  };

  // Opening the panel marks its new rows as seen; their badges stay until it is closed. A job that ends while its own page
  // is open has been seen, too.
  const toldSeen = new Set();
  const markSeen = () => {
    const isBefore = (row) => panel.open || document.getElementById(row.id.replace("active", "job"))?.closest(".job-page");
    const unseen = rows().filter((row) => isNew(row) && isBefore(row) && !toldSeen.has(endOf(row)));
    if (document.hidden || !unseen.length) return;
    unseen.forEach((row) => toldSeen.add(endOf(row)));
    const form = document.getElementById("active-seen");
    form.elements.jobs.value = unseen.map((row) => row.id.replace("active-", "")).join(",");
    htmx.trigger(form, "seen");
  };

  const keepNewWhileOpen = (present, incoming) => {
    if (!panel.open) return;
    const incomingRows = incoming.matches(".active__row") ? [incoming] : incoming.querySelectorAll(".active__row");
    for (const row of incomingRows) {
      const before = document.getElementById(row.id);
      if (before && isNew(before) && endOf(before) === endOf(row)) row.querySelector(".badge--new").hidden = false;
    }
  };

  document.addEventListener("toggle", (event) => {
    if (event.target !== panel) return;
    if (panel.open) markSeen();
    else rows().forEach((row) => { row.querySelector(".badge--new").hidden ||= toldSeen.has(endOf(row)); });
  }, true);

  /* --- In the background: the title. background.js and notifications.js do the rest ------------------------------------- */

  const ownTitle = document.title;
  const showTitle = () => {
    const running = rows().filter((row) => row.dataset.status === "running").map((row) => Number(row.dataset.progress));
    const share = running.reduce((sum, permille) => sum + permille, 0) / running.length;
    const percent = running.length ? `${Math.floor(share / 10)} %` : "";
    const mark = endedWhileAway ? `✓${endedWhileAway > 1 ? ` ${endedWhileAway}` : ""}` : "";
    document.title = [mark, percent, ownTitle].filter(Boolean).join(" · ");
  };
  showTitle();
  document.addEventListener("visibilitychange", () => {
    endedWhileAway = 0;
    markSeen();
    showTitle();
  });
})();
