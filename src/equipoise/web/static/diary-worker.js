/* Answers for the pages under /my/ when there is no connection, with the page of questions that was kept. What was reported
   is never kept here: pages of the diary itself are always asked for anew. */
const NAME = "diary {mark}";
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", e => e.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== NAME) await caches.delete(name);
  await self.clients.claim();
})()));
self.addEventListener("message", e => e.waitUntil((async () => {
  const cache = await caches.open(NAME);
  for (const address of e.data.keep || []) {
    try { const reply = await fetch(address, {cache: "no-store"}); if (reply.ok) await cache.put(address, reply); } catch { /* later */ }
  }
})()));
self.addEventListener("fetch", e => {
  const at = new URL(e.request.url);
  if (e.request.method !== "GET" || at.origin !== location.origin) return;
  const link = at.pathname.match(/^\/my\/(\d+-[^/]+)\//);
  if (e.request.mode === "navigate" && link) {
    e.respondWith(fetch(e.request).catch(async () => (await caches.open(NAME)).match(`/my/${link[1]}/offline/`).then(kept => kept || Response.error())));
  } else if (at.pathname.startsWith("/static/")) {
    e.respondWith(fetch(e.request).catch(async () => (await caches.open(NAME)).match(e.request).then(kept => kept || Response.error())));
  }
});
