/* How this page gets its news: through the socket, or by asking every few seconds where no socket opens. Both bring the same
   HTML, which jobs.js merges into the page. */

(() => {
  "use strict";

  if (!window.htmx) return;
  const status = document.getElementById("offline");
  const ATTEMPTS = 3; // that fail before the page asks
  const PATIENCE = 10_000; // ms without a word; some proxies neither pass a socket on nor refuse it
  const LOST_AFTER = 3000;
  const LONGEST_PAUSE = 10_000; // ms between two attempts to open a socket; the extension's own is 64 s
  const MOST_SHOWN = 100; // of which the server tells one page (page_updates.py); a longer list is more than it reads
  const TOO_MANY = 4429; // the user has more pages open than may have a socket: this one asks

  const tell = (what) => {
    if (!status) return;
    const text = status.dataset[what] ?? "";
    if (text && status.textContent !== text) status.textContent = text; // read aloud once, not at every question
    status.hidden = !text;
  };

  // Tell the server which jobs this page shows, and in which language. The feed of the create page grows with every clip.
  const shown = () => {
    const articles = [...document.querySelectorAll(".job[data-version]")].slice(0, MOST_SHOWN);
    const ids = (those) => those.map((job) => job.id.replace("job-", "")).join(",");
    const rows = ids(articles.filter((job) => job.matches(".job--row")));
    const jobs = { jobs: ids(articles), ...(rows && { recent: rows }) };
    return new URLSearchParams({ ...jobs, language: document.documentElement.lang });
  };

  /* --- Asking --------------------------------------------------------------------------------------------------------- */

  let isAsking = false;
  let nextQuestion = null;

  const ask = async () => {
    let pause = document.hidden ? 15_000 : 3000;
    try {
      const answer = await fetch(`${status.dataset.updates}?${shown()}`, {
        headers: { "HX-Request": "true" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE),
      });
      if (!isAsking) return;
      if (answer.headers.has("HX-Redirect")) { // signing in now would lose what is being typed here
        tell("signedOut");
        return;
      }
      pause = 1000 * Number(answer.headers.get("Retry-After")) || pause;
      if (!answer.ok) throw new Error(answer.statusText);
      const html = await answer.text();
      if (!isAsking) return; // the socket was faster
      document.dispatchEvent(new CustomEvent("jobs:news", { detail: html }));
      tell("asking");
    } catch {
      if (isAsking) tell("lost");
    }
    if (isAsking) nextQuestion = setTimeout(ask, pause);
  };

  const startAsking = () => {
    if (isAsking || !status?.dataset.updates) return;
    isAsking = true;
    ask();
  };

  const stopAsking = () => {
    isAsking = false;
    clearTimeout(nextQuestion);
  };

  /* --- The socket ----------------------------------------------------------------------------------------------------- */

  let socket = null;
  let told = "";
  htmx.createWebSocket = (address) => {
    told = shown().toString();
    socket = new WebSocket(`${address}?${told}`);
    return socket;
  };

  // A page that shows other jobs now, such as one just made, says so.
  const tellShown = () => {
    const now = shown().toString();
    if (now === told || socket?.readyState !== WebSocket.OPEN) return;
    told = now;
    socket.send(now);
  };
  document.addEventListener("htmx:wsOpen", tellShown);
  document.addEventListener("htmx:afterSettle", tellShown);

  // Random, so that after an outage not all pages come back at once; bounded, so that none still asks long after it.
  htmx.config.wsReconnectDelay = (attempt) => Math.random() * Math.min(1000 * 2 ** attempt, LONGEST_PAUSE);

  let failures = 0;
  let patience = setTimeout(startAsking, PATIENCE);
  let lostTimer = null;

  // Wait for the first message, not for 'open': a server that is starting may close the connection at once.
  document.addEventListener("htmx:wsBeforeMessage", () => {
    failures = 0;
    clearTimeout(patience);
    clearTimeout(lostTimer);
    patience = lostTimer = null;
    stopAsking();
    tell("");
  });

  document.addEventListener("htmx:wsClose", (event) => {
    failures += 1;
    const { code } = event.detail.event;
    if (failures >= ATTEMPTS || code === TOO_MANY) startAsking();
    patience ??= setTimeout(startAsking, PATIENCE);
    lostTimer ??= setTimeout(() => { if (!isAsking) tell("lost"); }, LOST_AFTER);
    // The extension reconnects after a failure, but not after an orderly close by the server.
    const retried = [1006, 1011, 1012, 1013];
    if (!retried.includes(code)) {
      const pause = code === TOO_MANY ? 60_000 : 1000;
      setTimeout(() => event.detail.socketWrapper.reconnect(), pause + 4000 * Math.random());
    }
  });

  document.addEventListener("htmx:sendError", () => tell("lost"));
})();
