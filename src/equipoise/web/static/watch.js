/* Pages that tell an arm lock by themselves; each sign of life is told to the server, which counts the same minutes. */
(() => {
  const after = Number(document.body.dataset.locks) * 1000;
  if (!after) return;
  let timer = 0, told = Date.now();
  const lock = () => location.replace(location.pathname);
  const wait = () => { clearTimeout(timer); timer = setTimeout(lock, after); };
  const alive = () => {
    if (Date.now() - told < 15000) return;
    told = Date.now();
    fetch("/pharmacy/awake/", {redirect: "manual"}).then(r => { if (r.status === 204) wait(); else lock(); }).catch(() => {});
  };
  // a page that is shown once has no more time than that
  if (document.body.hasAttribute("data-awake")) for (const what of ["keydown", "pointerdown", "input"]) addEventListener(what, alive);
  addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - told > after) lock(); });
  wait();
})();

/* Clocks at the bedside: counted from the server's time, which came with the page. */
(() => {
  const bed = document.querySelector("[data-now]");
  if (!bed) return;
  const offset = Number(bed.dataset.now) - Date.now(), title = document.title, line = document.getElementById("due-line");
  const words = ms => {
    const s = Math.max(0, Math.floor(ms / 1000)), two = n => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${two(Math.floor(s / 60))}:${two(s % 60)}`;
  };
  const put = (at, text) => { if (at.textContent !== text) at.textContent = text; };
  let said = false;
  const tick = () => {
    const now = Date.now() + offset;
    document.querySelectorAll("[data-since]").forEach(at => put(at, words(now - Number(at.dataset.since))));
    document.querySelectorAll("[data-until]").forEach(at => {
      const left = Number(at.dataset.until) - now, due = left <= 0;
      put(at, due ? (left > -60000 ? "now" : `+${words(-left)}`) : words(left));
      at.classList.toggle("now", due);
      document.title = due ? `Reading due · ${title}` : title;
      if (due && !said && line) { said = true; line.textContent = "A reading is due now."; }
    });
  };
  tick(); setInterval(tick, 500);
})();
