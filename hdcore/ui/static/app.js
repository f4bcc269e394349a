// The page: which view stands in it, its keys, and what happens to errors. A view is a function (main, ...) that returns
// {leave(), keys: {key: f}}.

import { showHelp } from "./dialog.js";
import { el, replace, say } from "./dom.js";
import { showList } from "./list.js";
import { setLink } from "./link.js";
import { themeChanged } from "./palette.js";
import { showReplay } from "./replay.js";
import { showRun } from "./run.js";
import { showSweep } from "./sweep.js";

const main = document.getElementById("main");
const crumbs = document.getElementById("crumbs");
const REPLAY = "replay"; // stands where a run's number does
let view = { leave() {}, keys: {} };

const place = (number) => (number === REPLAY ? REPLAY : `run ${number}`);

function route() {
  let parts;
  try {
    parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    parts = []; // not one of our addresses
  }
  view.leave();
  setLink("");
  replace(main);
  const [name, number] = parts;
  replace(
    crumbs,
    name ? el("a", { href: `#/${encodeURIComponent(name)}` }, name) : null,
    number ? el("span", {}, place(number)) : null,
  );
  document.title = [number && place(number), name, "hdcore"].filter(Boolean).join(" · ");
  if (number === REPLAY) view = showReplay(main, name);
  else if (number) view = showRun(main, name, Number(number));
  else if (name) view = showSweep(main, name);
  else view = showList(main);
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function changeTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  themeChanged();
}

const KEYS = {
  "?": showHelp,
  t: changeTheme,
  l: () => (location.hash = "#/"),
};

window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  const f = view.keys[event.key] ?? KEYS[event.key];
  if (!f) return;
  event.preventDefault();
  f();
});
window.addEventListener("hashchange", route);
document.getElementById("theme").addEventListener("click", changeTheme);
document.getElementById("help").addEventListener("click", showHelp);
window.addEventListener("unhandledrejection", (event) => say(document.getElementById("link"), String(event.reason?.message ?? event.reason)));
route();
