"use strict";
// Keys, verdicts without leaving the page, and plots; every page also works without this file, apart from plots.
const one = (selector) => document.querySelector(selector);
const head = one(".object-head");
const rows = [...document.querySelectorAll("#list tbody tr")];
let marked = -1;

function toast(text, wrong) {
  const place = one("#toast");
  place.textContent = text;
  place.className = wrong ? "on wrong" : "on";
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.className = ""; }, wrong ? 6000 : 2000);
}

function mark(at) {
  if (!rows.length) return;
  rows[marked]?.classList.remove("marked");
  marked = Math.min(Math.max(at, 0), rows.length - 1);
  rows[marked].classList.add("marked");
  rows[marked].scrollIntoView({ block: "nearest" });
}

function chip(row) {
  const made = document.createElement("span");
  made.className = "chip v-" + row.verdict.toLowerCase().replace("_", "-");
  made.textContent = row.verdict.replace("_", " ");
  made.title = row.judged_by + ", " + row.judged_at;
  return made;
}

function newId() { return [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join(""); }

async function send(address, fields) {
  const answer = await fetch(address, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(fields) });
  const row = await answer.json();
  if (!answer.ok) throw new Error(row.problem);
  return row;
}

async function judge(objectId, fields, place) {
  try {
    const row = await send("/verdicts", { object_id: objectId, verdict_id: newId(), ...fields });
    place.querySelector(".none")?.remove();
    place.prepend(chip(row), row.comment ? " “" + row.comment + "” " : " ");
    toast(objectId + ": " + row.verdict.replace("_", " "));
  } catch (error) { toast("not stored: " + error.message, true); }
}

function judgeHere(verdict) {
  if (head) {
    const fields = { verdict, comment: one("#comment").value, judged_by: one("#judged_by").value };
    one("#comment").value = "";
    return judge(head.dataset.object, fields, one("#said"));
  }
  if (rows[marked]) judge(rows[marked].dataset.object, { verdict }, rows[marked].querySelector(".verdicts"));
}

const KEYS = { 1: "SN", 2: "SLSN-I", 3: "TDE", 4: "other", x: "junk", f: "follow_up" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.key === "Enter" && event.target.id === "text") event.target.form.requestSubmit();
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
  const go = (address) => { if (address) location.href = address; };
  if (event.key === "j") head ? go(head.dataset.after) : mark(marked + 1);
  else if (event.key === "k") head ? go(head.dataset.before) : mark(marked - 1);
  else if (event.key === "u" && head) go(head.dataset.back);
  else if (event.key === "Enter" && rows[marked] && event.target === document.body) go(rows[marked].dataset.href);
  else if (event.key === "/") { event.preventDefault(); one("#search").focus(); }
  else if (event.key === "c" && head) { event.preventDefault(); one("#comment").focus(); }
  else if (event.key === "?") one("#keys").showModal();
  else if (KEYS[event.key]) judgeHere(KEYS[event.key]);
});

rows.forEach((row, at) => row.addEventListener("click", (event) => {
  if (event.target.closest("a")) return;
  if (at === marked) location.href = row.dataset.href; else mark(at);
}));

one("#judge")?.addEventListener("submit", (event) => { event.preventDefault(); judgeHere(event.submitter?.value || "comment"); });

document.querySelectorAll(".stamp-judge").forEach((form) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  try {
    await send("/stamp-verdicts", { ...fields, verdict: event.submitter?.value || "bad", verdict_id: newId(), judged_by: one("#judged_by").value });
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button === event.submitter)));
    toast("stored");
  } catch (error) { toast("not stored: " + error.message, true); }
}));

document.querySelectorAll("details.lazy").forEach((part) => part.addEventListener("toggle", () => {
  const image = part.querySelector("img");
  if (part.open && !image.src) image.src = image.dataset.src;
}));

const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
document.querySelectorAll(".plot").forEach((place) => {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  const legend = place.clientWidth < 600 ? { orientation: "h", y: -0.42 } : {};  // beside a narrow plot it would fill half of it
  const draw = (shown) => Plotly.newPlot(place, shown.data, { ...shown.layout, legend: { ...shown.layout.legend, ...legend } }, CONFIG);
  draw(figure.mag || figure);
  const buttons = place.parentElement.querySelectorAll("[data-show]");
  buttons.forEach((button) => button.addEventListener("click", () => {
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    draw(figure[button.dataset.show]);
  }));
});
