// The page: which view stands in it, and what happens to errors. Views are functions (main, ...) -> clean-up function.

import { el, replace } from "./dom.js";
import { showList } from "./list.js";
import { showRun } from "./run.js";
import { showSweep } from "./sweep.js";

const main = document.getElementById("main");
const crumbs = document.getElementById("crumbs");
const link = document.getElementById("link");
let leave = () => {};

export function setLink(state) {
  link.textContent = state === "lost" ? "connection lost, trying again" : "";
  link.className = state;
}

export function fail(error) {
  replace(main, el("p", { class: "error", role: "alert" }, error.message));
}

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  leave();
  setLink("");
  replace(main);
  const [name, number] = parts;
  replace(
    crumbs,
    name ? el("a", { href: `#/${encodeURIComponent(name)}` }, name) : null,
    number ? el("span", {}, `run ${number}`) : null,
  );
  document.title = [number && `run ${number}`, name, "hdcore"].filter(Boolean).join(" · ");
  if (number) leave = showRun(main, name, Number(number));
  else if (name) leave = showSweep(main, name);
  else leave = showList(main);
  main.focus({ preventScroll: true });
}

window.addEventListener("hashchange", route);
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  window.dispatchEvent(new Event("themechange"));
});
window.addEventListener("unhandledrejection", (event) => fail(event.reason));
route();
