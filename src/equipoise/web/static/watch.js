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
  for (const what of ["keydown", "pointerdown", "input"]) addEventListener(what, alive);
  addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - told > after) lock(); });
  wait();
})();
