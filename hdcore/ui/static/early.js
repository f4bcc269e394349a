// Before the first paint: the theme that was chosen here, else the system's. And what takes longest, the curves of a
// sweep, is asked for while the rest of the page is still on its way.
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
  const path = `api/sweeps/${found[1]}/curves?points=120`;
  const answer = fetch(path, { credentials: "same-origin" });
  answer.catch(() => {}); // told when it is asked for
  window.early = { path, answer };
})();
