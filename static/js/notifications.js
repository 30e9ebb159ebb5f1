/* A notification when a clip has ended and nobody looks, for users who want that. While a page is open, it shows it itself.
   Where the browser has Web Push, the site sends one as well, which service-worker.js shows also when no page is open; with
   the same tag, so that there is only one. */

(() => {
  "use strict";

  const { key, user, on, off, worker, subscribed } = document.currentScript.dataset;
  const choice = document.querySelector("[data-notify]");
  if (!choice || !("Notification" in window)) return;
  const canPush = key && "serviceWorker" in navigator && "PushManager" in window;

  const memory = {
    get: (name, place = localStorage) => { try { return place.getItem(name); } catch { return null; } },
    set: (name, value, place = localStorage) => { try { place.setItem(name, value); } catch { /* it is not remembered */ } },
  };
  // Each person who signs in here chooses for themselves. "yes" is what older versions stored for everyone.
  const isWanted = () => Notification.permission === "granted" && [user, "yes"].includes(memory.get("notify"));

  /* --- Web Push -------------------------------------------------------------------------------------------------------- */

  let isPushed = false;

  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const post = (address, values) => {
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    return fetch(address, { method: "POST", headers, body: new URLSearchParams(values) });
  };

  const subscription = async () => {
    await navigator.serviceWorker.register(worker);
    const { pushManager } = await navigator.serviceWorker.ready;
    const present = await pushManager.getSubscription();
    if (present && base64url(present.options.applicationServerKey) === key) return present;
    await present?.unsubscribe(); // the site has another key now
    return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  };

  // Where it does not work (no push service, or one that the site does not know), the open page has to do.
  const subscribe = async () => {
    if (!canPush) return;
    memory.set("push-tried", "yes", sessionStorage);
    try {
      const found = await subscription();
      const { endpoint, keys } = found.toJSON();
      const isKnown = subscribed !== undefined && memory.get("push") === endpoint;
      const { status } = isKnown ? { status: 204 } : await post(on, { endpoint, p256dh: keys.p256dh, auth: keys.auth });
      isPushed = status === 204;
      if (isPushed) memory.set("push", endpoint);
      if (status === 400) await found.unsubscribe();
    } catch { /* as above */ }
  };

  const unsubscribe = async () => {
    isPushed = false;
    memory.set("push", "");
    if (!canPush) return;
    try {
      const registration = await navigator.serviceWorker.getRegistration(worker);
      const found = await registration?.pushManager.getSubscription();
      if (!found) return;
      await found.unsubscribe();
      await post(off, { endpoint: found.endpoint });
    } catch { /* the push service tells the site that the subscription has ended */ }
  };

  /* --- The switch ------------------------------------------------------------------------------------------------------ */

  const scope = document.getElementById("active-notify-scope");
  const refused = document.getElementById("active-notify-refused");

  const show = () => {
    choice.setAttribute("aria-checked", String(isWanted()));
    scope.hidden = !isWanted();
    scope.textContent = isPushed ? scope.dataset.always : scope.dataset.open;
  };

  choice.addEventListener("click", async () => {
    if (isWanted()) {
      memory.set("notify", "no");
      show();
      await unsubscribe();
    } else {
      const isGranted = (await Notification.requestPermission()) === "granted";
      memory.set("notify", isGranted ? user : "no");
      if (isGranted) await subscribe();
      refused.hidden = Notification.permission !== "denied";
      if (!window.isSecureContext) refused.textContent = refused.dataset.insecure;
    }
    show();
  });

  document.getElementById("active-notify").hidden = false;
  show();
  const isWorthTrying = memory.get("push") || !memory.get("push-tried", sessionStorage); // once, where it never worked
  if (isWanted() && memory.get("notify") === user && isWorthTrying) subscribe().then(show);

  /* --- While a page is open -------------------------------------------------------------------------------------------- */

  const notify = async (row) => {
    const link = row.querySelector("a");
    const icon = document.querySelector("link[rel=icon]")?.href;
    const { title, tag } = row.dataset;
    const options = { body: link.textContent.trim(), tag, icon, data: { url: link.getAttribute("href") } };
    if (isPushed) {
      const registration = await navigator.serviceWorker.getRegistration(worker);
      if (registration) return registration.showNotification(title, options);
    }
    const note = new Notification(title, options);
    note.addEventListener("click", () => { window.focus(); location.assign(link.href); note.close(); });
  };

  document.addEventListener("jobs:panel", ({ detail }) => {
    if (!document.hidden || !isWanted()) return;
    // Some browsers allow notifications only in service workers.
    for (const row of detail.rows) notify(row).catch(() => {});
  });
})();
