// Before the first paint: the theme that was chosen here, else the system's. And what takes longest, the runs of a sweep
// and their curves, is asked for while the rest of the page is still on its way.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // storage is switched off: follow the system
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;

  const found = /^#\/([^/]+)$/.exec(location.hash);
  if (!found) return;
  const path = `api/sweeps/${found[1]}`;
  const curves = fetch(`${path}/curves?points=120`, { credentials: "same-origin" });
  curves.catch(() => {}); // told when it is asked for
  const source = new EventSource(`${path}/events`);
  const early = { path, curves, source, heard: [], hear: (name, message) => early.heard.push([name, message]) };
  for (const name of ["head", "runs", "gone"]) source.addEventListener(name, (message) => early.hear(name, message));
  window.early = early;
})();
