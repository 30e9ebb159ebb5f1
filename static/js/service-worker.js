/* Shows what the site tells this browser while nobody looks at one of its pages (accounts/push). It caches nothing and
   answers no request, so it cannot change how the site works. */

"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const pages = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

// Who has a page in view sees it there. Browsers ask for no notification then.
const show = async ({ title, body, url, tag, icon, lang }) => {
  const open = await pages();
  if (open.some((page) => page.visibilityState === "visible")) return;
  await self.registration.showNotification(title, { body, tag, icon, lang, data: { url } });
};

self.addEventListener("push", (event) => {
  if (event.data) event.waitUntil(show(event.data.json()));
});

const open = async (path) => {
  const { href, origin } = new URL(path, self.location.origin);
  if (origin !== self.location.origin) return;
  const [page] = await pages();
  if (!page) {
    await self.clients.openWindow(href);
    return;
  }
  await page.focus();
  // A page that was opened before this worker cannot be navigated.
  if (page.url !== href) await page.navigate(href).catch(() => self.clients.openWindow(href));
};

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url ?? "/"));
});
