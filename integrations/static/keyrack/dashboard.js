// What makes the dashboard live: search, keys, dialogs, spoken changes, and focus that is never lost.
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

// Search. The form asks the server, and keeps the address of the page the same as what it shows.
const form = document.getElementById("filter");
const box = document.getElementById("q");
let searched = box?.value ?? "", next = "";

// Says how many were found, once the answer to what is typed now is here.
function speakFound() {
  if (!box || box.value === searched) return;
  searched = box.value;
  say(document.getElementById("integrations").dataset.found);
}

// An input method for Japanese composes half words first. The search waits until the word is there.
box?.addEventListener("input", (event) => { if (event.isComposing) event.stopPropagation(); });
box?.addEventListener("compositionend", () => box.dispatchEvent(new Event("input", { bubbles: true })));

function showAll() {
  for (const field of form.elements) if (field.name) field.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
}

// Keys: "/" to the search unless the person turned it off, Esc empties it, arrows go from row to row and along letters.
const PLACES = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 };

function neighbour(element, selector, step) {
  const all = [...live.querySelectorAll(selector)];
  return all[all.indexOf(element) + step];
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const isTyping = event.target.matches("input, textarea, select");
  if (event.key === "/" && !isTyping && box && "slash" in box.dataset) {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (event.key === "Escape" && event.target === box && box.value) {
    event.preventDefault();
    box.value = "";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (event.target.closest(".letters")) {
    moveTo(event, neighbour(event.target, ".letters a", PLACES[event.key]));
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const row = event.target.closest(".irows > li");
    const other = row && !event.target.closest(".more[open]") && neighbour(row, ".irows > li", PLACES[event.key]);
    if (other) moveTo(event, other.querySelector("a"));
  }
});

function moveTo(event, target) {
  if (!target) return;
  event.preventDefault();
  target.focus();
}

// The letters are one stop of the Tab key.
function joinLetters() {
  for (const bar of live.querySelectorAll(".letters")) {
    const links = [...bar.querySelectorAll("a")];
    links.slice(1).forEach((link) => { link.tabIndex = -1; });
    bar.addEventListener("focusin", (event) => links.forEach((link) => { link.tabIndex = link === event.target ? 0 : -1; }));
  }
}

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
  next = event.target.closest("[data-then]")?.dataset.then ?? next; // the first of the rows that are asked for
  if (event.target.closest("[data-show-all]")) {
    event.preventDefault();
    showAll();
  }
});

// Swaps
const shown = new WeakSet(); // requests whose answer has a place on the page

function beforeSwap(event) {
  const { target, shouldSwap, serverResponse = "", xhr } = event.detail ?? {};
  if (xhr) shown.add(xhr);
  if (!shouldSwap) return; // unchanged, or an error
  focused = document.activeElement?.closest("[data-card]")?.id ?? "";
  // Signed out meanwhile: the answer is the login page, and belongs into the whole window.
  const strange = (target === dialog && !serverResponse.includes("data-close-dialog"))
    || (target?.id === "integrations" && !serverResponse.includes('id="integrations"'));
  if (!strange) return;
  event.detail.shouldSwap = false;
  location.reload();
}

// Of two answers that are under way, the first replaces the element that the second one is for. htmx drops the second,
// without an event if what asked for it was replaced, too. So the page is asked for again: with the filter that was
// chosen, else with what is in the search box then. A dropped poll is followed by the next one. What the dropped answer
// had to say is shown.
function askAgain(event) {
  const { target, xhr, requestConfig, pathInfo } = event.detail ?? {};
  if (event.defaultPrevented || target?.id !== "integrations" || asker(event).matches("#integrations, [data-busy]")) return;
  const isChoice = requestConfig.verb === "get" && asker(event) !== form;
  xhr.addEventListener("loadend", () => {
    if (!xhr.status || xhr.status >= 400 || shown.has(xhr)) return;
    const dropped = new DOMParser().parseFromString(xhr.responseText, "text/html");
    document.getElementById("toasts").append(...dropped.querySelectorAll("#toasts > *"));
    if (isChoice) htmx.ajax("get", pathInfo.finalRequestPath, { target: "#integrations", swap: "outerHTML" });
    else if (box) box.dispatchEvent(new Event("input", { bubbles: true }));
    else document.dispatchEvent(new Event("connection-changed"));
  });
}

function keepFocus() {
  if (decided) {
    const card = decided;
    dialog.close();
    document.getElementById(`${card}-h`)?.focus();
    decided = opener = "";
  } else if (next) {
    document.getElementById(next)?.focus();
    next = "";
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
onHtmx("before-request", askAgain);
onHtmx("before-swap", beforeSwap);
onHtmx("response-error", failed);
onHtmx("send-error", failed);
new MutationObserver(() => { keepFocus(); joinLetters(); speakFound(); speak(); noticeBusy(); })
  .observe(live, { childList: true });
joinLetters();
noticeBusy();
