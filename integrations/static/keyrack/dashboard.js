// What makes the dashboard live: a filter box, dialogs, spoken changes, and focus that is never lost.
// The page is complete without it: links, POST forms and ?q=. It listens to htmx by events whose names htmx 2 and 4 know.

const live = document.getElementById("live");
const dialog = document.getElementById("dialog");
const say = (words) => document.dispatchEvent(new CustomEvent("keyrack-say", { detail: words.trim() }));
const cards = () => [...live.querySelectorAll("[data-card]")];

function onHtmx(name, listener) {
  document.addEventListener(`htmx:${name}`, listener);
  document.addEventListener(`htmx:${name.replace("-", ":")}`, listener);
}

const asker = (event) => event.detail?.requestConfig?.elt ?? event.target; // who asked; the event may come from its target

// Polling. A card asks every 2 seconds while something is under way: several cards ask as one, and all of them ask
// every 10 seconds when it takes longer than 30, or when nobody looks.
let busy = "", busySince = 0, polled = 0;

function paced(event) {
  const poll = asker(event).matches?.("[data-busy]") && !event.detail?.requestConfig?.triggeringEvent;
  if (!poll) return;
  const slow = document.hidden || Date.now() - busySince > 30_000;
  if (Date.now() - polled < (slow ? 9_500 : 1_500)) event.preventDefault();
  else polled = Date.now();
}

function noticeBusy() {
  const now = cards().filter((card) => "busy" in card.dataset).map((card) => card.id).join(" ");
  if (now && now !== busy) busySince = Date.now();
  busy = now;
}

setInterval(() => {
  for (const place of live.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.round((Date.parse(place.dataset.until) - Date.now()) / 1000));
    place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  }
}, 1000);

// Spoken changes: only what changed since the last look, in the words that the card brings along.
const read = () => new Map(cards().map((card) => [card.id, card.dataset.state]));
let states = read();

function speak() {
  const before = states;
  states = read();
  const words = cards()
    .filter((card) => before.has(card.id) && before.get(card.id) !== card.dataset.state)
    .map((card) => wordsFor(card, before.get(card.id)));
  if (words.length) say(words.join(" "));
}

// A sign-in that came to nothing leaves the integration connected: then "connected" would be no news, but false.
function wordsFor(card, before) {
  if (before === "connecting" && card.dataset.sayEnded) return card.dataset.sayEnded;
  return (before === "revoking" && card.dataset.sayRevoked) || card.dataset.say;
}

// Filter box
const form = document.getElementById("filter");
const box = document.getElementById("q");
const wanted = () => (box && !form.dataset.answered ? box.value.trim().toLocaleLowerCase() : "");
const text = (card) => `${card.querySelector(".card__head").textContent} ${card.querySelector(".card__desc")?.textContent ?? ""}`;
let announcement;

function filter() {
  const query = wanted();
  let shown = 0;
  for (const section of live.querySelectorAll("[data-section]")) {
    const inside = [...section.querySelectorAll("[data-card]")];
    for (const card of inside) card.hidden = !text(card).toLocaleLowerCase().includes(query);
    const visible = inside.filter((card) => !card.hidden).length;
    section.hidden = Boolean(query) && !visible;
    section.querySelector("[data-count]").textContent = visible;
    shown += visible;
  }
  const none = document.getElementById("no-match");
  if (!none) return;
  none.hidden = !query || shown > 0;
  const heading = none.querySelector("[data-words]");
  heading.textContent = none.hidden ? "" : heading.dataset.words.replace("{query}", box.value.trim());
}

function announceFilter() {
  const all = cards(), shown = all.filter((card) => !card.hidden);
  say(form.dataset.shown.replace("{shown}", shown.length).replace("{all}", all.length));
}

box?.addEventListener("input", () => {
  if (form.dataset.answered) { // this page holds only what the server found: an empty box asks it for everything
    if (!box.value) location.assign(form.action);
    return;
  }
  filter();
  clearTimeout(announcement);
  announcement = setTimeout(announceFilter, 600);
});
form?.addEventListener("submit", (event) => { if (!form.dataset.answered) event.preventDefault(); });

// Dialogs. The link leads to a page that asks; with htmx the same words come here.
let opener = "", decided = "", focused = "";

new MutationObserver(() => {
  if (!dialog.childElementCount || dialog.open) return;
  dialog.showModal();
  dialog.scrollTop = 0; // the button in focus may be far below the question
}).observe(dialog, { childList: true });

dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  // The opener itself may be gone: what is under the dialog goes on living.
  if (!decided) document.getElementById(opener)?.focus();
});
dialog.addEventListener("submit", (event) => { decided = event.target.dataset.card; });

document.addEventListener("click", (event) => {
  opener = event.target.closest("[data-dialog]")?.id ?? opener;
  if (event.target === dialog || event.target.closest("[data-close-dialog]")) dialog.close();
  if (event.target.closest("[data-show-all]")) {
    event.preventDefault();
    box.value = "";
    filter();
    box.focus();
  }
});

// Swaps
function beforeSwap(event) {
  const { target, shouldSwap, serverResponse = "" } = event.detail ?? {};
  if (!shouldSwap) return; // unchanged, or an error
  focused = document.activeElement?.closest("[data-card]")?.id ?? "";
  // Signed out meanwhile: the answer is the login page, and belongs into the whole window.
  const strange = (target === dialog && !serverResponse.includes("data-close-dialog"))
    || (target?.id === "integrations" && !serverResponse.includes('id="integrations"'));
  if (!strange) return;
  event.detail.shouldSwap = false;
  location.reload();
}

function keepFocus() {
  if (decided) {
    const card = decided;
    dialog.close();
    document.getElementById(`${card}-h`)?.focus();
    decided = opener = "";
  } else if (focused && (!document.activeElement || document.activeElement === document.body)) {
    document.getElementById(`${focused}-h`)?.focus({ preventScroll: true });
  }
  focused = "";
}

function failed(event) {
  const silent = asker(event).matches?.("[data-busy], #integrations"); // the next poll asks again
  if (silent) return;
  decided = "";
  dialog.close();
  document.getElementById("toasts").append(document.getElementById("failed").content.cloneNode(true));
}

// Two swaps in a row, or one in a tab that nobody looks at: the browser skips the movement, and reports that as an error.
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof DOMException && /transition/i.test(event.reason.message)) event.preventDefault();
});

onHtmx("before-request", paced);
onHtmx("before-swap", beforeSwap);
onHtmx("response-error", failed);
onHtmx("send-error", failed);
new MutationObserver(() => { keepFocus(); filter(); speak(); noticeBusy(); }).observe(live, { childList: true });
filter();
noticeBusy();
