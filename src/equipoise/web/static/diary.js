/* The diary with a script: a day told without a connection waits on this phone until the ledger's receipt is there.
   Without this file the form posts by itself. Nothing but days that wait is ever kept here. */
(() => {
  const base = document.body.dataset.base;
  if (!document.body.dataset.box) return;
  const box = `equipoise-diary ${document.body.dataset.box}`;
  const all = (s, e = document) => [...e.querySelectorAll(s)];
  const waiting = () => { try { return JSON.parse(localStorage.getItem(box)) || []; } catch { return []; } };
  const keep = list => list.length ? localStorage.setItem(box, JSON.stringify(list)) : localStorage.removeItem(box);
  const note = document.querySelector("[data-waiting]"), outbox = document.querySelector("[data-outbox]");
  const form = document.querySelector("form[data-diary]");

  const named = on => new Date(`${on}T12:00`).toLocaleDateString("en-GB", {weekday: "short", day: "numeric", month: "short"});
  const words = entry => {
    const parts = Object.entries(entry.fields);
    const used = parts.filter(([k]) => k.startsWith("used.")).map(([k, v]) => `${k.slice(5)}: ${{yes: "used", no: "none"}[v] || "not known"}`);
    const more = parts.filter(([k, v]) => k.startsWith("craving.") && v).map(([, v]) => `craving ${v}`);
    return [...used, ...more].join(", ");
  };
  const say = text => { if (note) { note.textContent = text; note.hidden = !text; } };
  const show = () => {
    const list = waiting();
    if (outbox) {
      outbox.hidden = !list.length;
      const items = list.map(entry => {
        const li = document.createElement("li"), day = document.createElement("b");
        day.textContent = named(entry.fields.on);
        li.append(day, ` ${words(entry)}`);
        if (entry.refused) {
          const why = document.createElement("p"), gone = document.createElement("button");
          why.className = "say"; why.textContent = `Not recorded: ${entry.refused}`;
          gone.type = "button"; gone.className = "btn slim"; gone.textContent = "Take it off this phone";
          gone.addEventListener("click", () => { keep(waiting().filter(x => x.key !== entry.key)); show(); });
          li.append(why, gone);
        } else li.append(" · waiting on this phone");
        return li;
      });
      outbox.querySelector("ul").replaceChildren(...items);
    } else if (list.length) say(`${list.length === 1 ? "1 day waits" : `${list.length} days wait`} on this phone. Type your PIN to send.`);
  };

  let sending = false;
  const send = async () => {
    const list = waiting().filter(entry => !entry.refused);
    if (sending || !list.length) return;
    sending = true;
    let sent = "", refused = false;
    try {
      const asked = await fetch(`${base}state/`, {cache: "no-store"});
      if (asked.status === 404) { say("This link has ended. What you told waits on this phone: ask at the clinic for a new link, and open it here."); return; }
      const state = await asked.json();
      if (!state.signed_in) { say("Type your PIN to send what waits on this phone."); if (form) askPin(); return; }
      for (const entry of list) {
        const reply = await fetch(`${base}day/`, {
          method: "POST", redirect: "error", headers: {"Accept": "application/json", "X-CSRFToken": state.token},
          body: new URLSearchParams({...entry.fields, key: entry.key, made: entry.made}),
        });
        if (reply.status !== 200 && reply.status !== 422) break;
        const said = await reply.json();
        const rest = waiting();
        if (said.ok) { sent = entry.key; keep(rest.filter(x => x.key !== entry.key)); }
        else { refused = true; keep(rest.map(x => x.key === entry.key ? {...x, refused: said.said.join(" ")} : x)); }
      }
    } catch { say("No connection. What you told waits on this phone, and is sent by itself."); }
    finally { sending = false; show(); }
    if (sent && !refused) location.assign(`${base}?told=${encodeURIComponent(sent)}`);
  };
  const askPin = () => {
    if (document.querySelector("[data-askpin]")) return;
    const link = document.createElement("a");
    link.href = base; link.className = "btn go"; link.dataset.askpin = "1"; link.textContent = "Type the PIN";
    note.append(" ", link);
  };

  if (form) {
    const days = form.querySelector("select");
    const today = new Date(), iso = d => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
    if (!days.options.length) { // kept page: the last week up to today, where the plan still asks
      for (let back = 0; back < 7; back++) {
        const on = new Date(today); on.setDate(today.getDate() - back);
        if (iso(on) <= form.dataset.until) days.add(new Option(named(iso(on)), iso(on)));
      }
    }
    all(".vas", form).forEach(vas => {
      const line = vas.querySelector("input"), number = document.getElementById(line.dataset.box);
      vas.hidden = false;
      line.addEventListener("input", () => { line.classList.remove("unmarked"); number.value = line.value; line.removeAttribute("aria-valuetext"); });
      number.addEventListener("input", () => { line.classList.toggle("unmarked", number.value === ""); if (number.value !== "") line.value = number.value; });
    });
    form.addEventListener("submit", e => {
      e.preventDefault();
      const fields = Object.fromEntries([...new FormData(form)].filter(([k]) => !["csrfmiddlewaretoken", "key", "made"].includes(k)));
      const asked = new Set(all("input[type=radio]", form).map(x => x.name));
      if (!fields.on || [...asked].some(name => !fields[name])) { say("Answer first whether you used anything that day."); note.focus(); return; }
      const list = waiting();
      if (list.some(x => x.fields.on === fields.on && !x.refused)) { say("This day waits on this phone already."); return; }
      const key = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random().toString(36).slice(2)}`;
      keep([...list, {key, made: new Date().toISOString(), fields}]);
      form.reset(); all(".vas input", form).forEach(x => x.classList.add("unmarked"));
      show(); send();
    });
  }
  outbox?.querySelector("[data-send]")?.addEventListener("click", send);
  addEventListener("online", send);
  setInterval(send, 15000);
  show(); send();

  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/my/worker.js", {scope: "/my/"}).then(async () => {
    const ready = await navigator.serviceWorker.ready;
    ready.active?.postMessage({keep: [`${base}offline/`, ...all("link[rel=stylesheet], script[src]").map(x => x.href || x.src)]});
  }).catch(() => {});
})();
