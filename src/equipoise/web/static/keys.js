/* What the keyboard adds. Without this file every field is an ordinary field and every form posts. */
(() => {
  const all = (s, e = document) => [...e.querySelectorAll(s)];
  const rows = all(".q");
  const count = form => {
    const own = all(".q", form), out = form.querySelector("[data-count]");
    own.forEach(r => r.classList.toggle("open", !r.querySelector(":checked")));
    if (out) out.textContent = `${own.filter(r => r.querySelector(":checked")).length} of ${own.length} answered`;
  };
  const nav = document.querySelector(".top nav"), here = nav && nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 2;  // on a phone the pages stand in one line that scrolls
  const goto = row => row && (row.querySelector(":checked") || row.querySelector("input")).focus();
  rows.forEach((row, i) => {
    row.addEventListener("keydown", e => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      const value = e.key === "m" ? "left-out" : e.key;
      const radio = all("input", row).find(x => x.value === value);
      if (radio) {
        e.preventDefault(); radio.checked = true; radio.dispatchEvent(new Event("change", {bubbles: true}));
        const next = rows[i + 1];
        if (next && next.closest("fieldset") === row.closest("fieldset")) goto(next); else radio.focus();
      } else if (e.key === "Backspace") { e.preventDefault(); goto(rows[i - 1]); }
    });
    row.addEventListener("change", () => count(row.closest("fieldset")));
  });
  all("fieldset[data-grid]").forEach(count);

  all("[data-letters]").forEach(set => set.addEventListener("keydown", e => {
    const radio = all("input", set).find(x => x.dataset.key === e.key.toLowerCase());
    if (radio) { e.preventDefault(); radio.checked = true; radio.focus(); radio.dispatchEvent(new Event("change", {bubbles: true})); }
  }));

  all(".vas").forEach(vas => {
    const line = vas.querySelector("input"), box = document.getElementById(line.dataset.box);
    vas.hidden = false;
    line.addEventListener("input", () => { line.classList.remove("unmarked"); box.value = line.value; line.removeAttribute("aria-valuetext"); });
    box.addEventListener("input", () => { line.classList.toggle("unmarked", box.value === ""); if (box.value !== "") line.value = box.value; });
  });

  const days = all(".day input");
  const show = box => {
    const cell = box.closest(".day"), v = box.value.trim().toLowerCase();
    cell.classList.toggle("nouse", v === "0" || v === "none");
    cell.classList.toggle("unk", v === "?");
    cell.classList.toggle("used", v !== "" && !["0", "none", "?"].includes(v));
  };
  days.forEach((box, i) => {
    const at = to => { if (to) { to.focus(); to.select(); } }, step = n => at(days[i + n]);
    const week = n => at(days.find(x => n < 0 ? x.dataset.date === box.dataset.weekago : x.dataset.weekago === box.dataset.date) ?? days[i + 7 * n]);
    box.addEventListener("input", () => show(box));
    box.addEventListener("keydown", e => {
      const put = (v, n = 1) => { e.preventDefault(); box.value = v; show(box); box.dispatchEvent(new Event("change", {bubbles: true})); step(n); };
      if (e.key === "n" || e.key === "0" && box.value === "") put("none");
      else if (e.key === "u") put("used");
      else if (e.key === "?" || e.key === "x") put("?");
      else if (e.key === "=") put(document.querySelector(`[data-date="${box.dataset.weekago}"]`)?.value ?? box.dataset.lastweek ?? "");
      else if (e.key === "Enter" && !e.ctrlKey || e.key === "ArrowRight") { e.preventDefault(); step(1); }
      else if (e.key === "ArrowLeft") { e.preventDefault(); step(-1); }
      else if (e.key === "ArrowDown") { e.preventDefault(); week(1); }
      else if (e.key === "ArrowUp") { e.preventDefault(); week(-1); }
    });
  });

  const acts = all("table.list tbody tr:not(.group)").map(r => all("a, button", r).pop()).filter(Boolean);
  document.addEventListener("keydown", e => {
    if (!acts.length || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, select, textarea")) return;
    const at = acts.indexOf(document.activeElement), go = document.getElementById("go");
    if (e.key === "j") acts[Math.min(at + 1, acts.length - 1)].focus();
    else if (e.key === "k") acts[Math.max(at - 1, 0)].focus();
    else if (e.key === "/" && go) { e.preventDefault(); go.focus(); }
  });

  document.addEventListener("keydown", e => {
    if ((e.ctrlKey || e.metaKey) && e.key === "Enter") { e.preventDefault(); (document.activeElement?.form || document.querySelector("form.main"))?.requestSubmit(); }
  });

  const summary = document.getElementById("summary");
  if (summary) summary.focus();

  // What is typed is stored as a draft a moment later (hx-post of the form); only the server's answer says that it is.
  const kept = document.querySelector("form[data-draft]"), line = document.getElementById("draft-line");
  if (kept && line) {
    const changed = new Set(), lost = document.getElementById("lost"), again = document.getElementById("again");
    let sent = [], since = "", retry = 0;
    if (!summary && !location.hash) {
      const first = all(".sheet[id] input:not([type=checkbox]), .sheet[id] textarea", kept).find(x => !x.closest("details") && !x.closest("[hidden]") && (x.type === "radio" ? !all(`[name="${CSS.escape(x.name)}"]`, kept).some(y => y.checked) : !x.value));
      if (first) first.focus();
    }
    kept.addEventListener("change", e => { if (e.target.name) changed.add(e.target.name); });
    kept.addEventListener("htmx:configRequest", e => {
      sent = [...changed];
      e.detail.formData.set("act", "store");
      sent.forEach(name => e.detail.formData.append("changed", name));
    });
    kept.addEventListener("htmx:afterRequest", e => {
      clearTimeout(retry);
      if (e.detail.successful) { sent.forEach(name => changed.delete(name)); since = ""; lost.hidden = true; return; }
      if (e.detail.xhr.status === 401) { if (!again.open) { changed.clear(); again.showModal(); } return; }
      since ||= new Date().toTimeString().slice(0, 5);
      const n = changed.size;
      lost.textContent = `No answer from the server since ${since}. ${n === 1 ? "1 field is" : `${n} fields are`} on this screen alone; what was stored before is safe. It is tried again every 5 seconds.`;
      lost.hidden = false;
      retry = setTimeout(() => htmx.trigger(kept, "store"), 5000);
    });
    addEventListener("beforeunload", e => { if (since && changed.size) e.preventDefault(); });
    kept.addEventListener("submit", () => { since = ""; });
  }

  // One submission a form: a second press while the first is under way does nothing. Coming back makes it a form again.
  all("form[method=post]:not([data-download])").forEach(form => form.addEventListener("submit", e => {
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "1";
    const button = e.submitter;
    setTimeout(() => { if (button) button.textContent = "Recording…"; }, 400);
  }));
  addEventListener("pageshow", e => { if (e.persisted) location.reload(); });
})();
