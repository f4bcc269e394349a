// What the page says of its connection, and how a view ends that cannot be shown.

import { el, replace, say } from "./dom.js";

export function setLink(state) {
  const link = document.getElementById("link");
  say(link, state === "lost" ? "connection lost, trying again" : "");
  link.className = state;
}

export function fail(main, error) {
  replace(main, el("p", { class: "error", role: "alert" }, error.message), el("p", {}, el("a", { href: "#/" }, "all sweeps")));
}
