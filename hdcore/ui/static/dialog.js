// Questions and help over the page.

import { el } from "./dom.js";

const SHORTCUTS = [
  ["?", "this help"],
  ["/", "to the filter of the runs"],
  ["l", "to the list of sweeps"],
  ["r", "from a sweep to the replay of policies on it"],
  ["s", "from a run or a replay to its sweep"],
  ["b", "to the best run"],
  ["n  p", "on a run's page: the next run, the one before"],
  ["t", "dark or light"],
  ["Escape", "all runs again: forget the brushes"],
  ["Tab", "to the next control; plots and axes are controls too"],
];
const ON_PLOTS = [
  ["↑ ↓", "training curves: from run to run by their value; Enter opens the run"],
  ["+ − ← → 0", "training curves: zoom, move, all"],
  ["↑ ↓", "an axis of parallel coordinates: set and move a brush; with Shift its upper end; Delete takes it away"],
  ["← →", "parallel coordinates: the next axis; scatter: the next run; saving against loss: the next setting"],
];

function open(node) {
  document.body.append(node);
  node.addEventListener("close", () => node.remove());
  node.showModal();
}

// Asks before something that cannot be taken back; resolves to true or false.
export function ask(question, action) {
  return new Promise((answer) => {
    const no = el("button", { type: "button", onclick: () => node.close("no") }, "keep it running");
    const yes = el("button", { type: "button", class: "danger", onclick: () => node.close("yes") }, action);
    const node = el("dialog", { role: "alertdialog", "aria-labelledby": "question" }, el("p", { id: "question" }, question), el("div", { class: "answers" }, no, yes));
    node.addEventListener("close", () => answer(node.returnValue === "yes"));
    open(node);
    no.focus();
  });
}

export function showHelp() {
  if (document.querySelector("dialog[open]")) return;
  const rows = (list) => list.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what)));
  const node = el(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    el("h2", { id: "help-title" }, "Keys"),
    el("table", {}, el("tbody", {}, rows(SHORTCUTS))),
    el("h2", {}, "On a plot"),
    el("table", {}, el("tbody", {}, rows(ON_PLOTS))),
    el("div", { class: "answers" }, el("button", { type: "button", onclick: () => node.close() }, "close")),
  );
  open(node);
}

// A button that asks first. `act` answers with what was done, which `heard` gets; or throws, which goes there too.
export function cancelButton(question, label, act, heard) {
  const button = el(
    "button",
    {
      type: "button",
      class: "danger",
      onclick: async () => {
        if (!(await ask(question, label))) return;
        button.disabled = true;
        try {
          heard((await act()).done);
        } catch (error) {
          button.disabled = false;
          heard(error.message);
        }
      },
    },
    label,
  );
  return button;
}
