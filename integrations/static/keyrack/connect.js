// Sign-in in a window, as an enhancement of <a data-connect target="keyrack-connect" href="the initiator URL">, and of
// <form data-connects>, which saves something first.
// The server alone knows what happened. Never window.opener and never popup.closed: under Cross-Origin-Opener-Policy the
// first is null and the second is true while the window is still open. A message only makes us ask the server again.

const NAME = "keyrack-connect";
const channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
const changed = () => document.dispatchEvent(new CustomEvent("connection-changed"));

function asPopup(address) {
  const url = new URL(address);
  url.searchParams.set("display", "popup");
  return url.href;
}

// The other side: a page that ends a sign-in tells everybody, and closes itself only if it was opened as a window
// (window.name and history.length do not survive the provider's page, so the server says so).
const ended = document.querySelector("[data-done]");
if (ended) {
  channel?.postMessage({ attempt: ended.dataset.attempt, alias: ended.dataset.alias });
  if (ended.dataset.closes) setTimeout(() => window.close(), Number(ended.dataset.closes));
  const retry = "popup" in ended.dataset && document.getElementById("retry");
  if (retry) retry.href = asPopup(retry.href); // a second try in this window ends as the first would have
  if (ended.dataset.kind === "pending") setTimeout(() => location.reload(), 2000);
}

const details = document.querySelector("[data-details]"); // the page about one integration: it is asked for as a whole
let unanswered = Boolean(details && "moving" in details.dataset); // a window was opened, and has not said how it ended
if (unanswered) document.documentElement.dataset.back = "";

// The request to the people who manage the account at the provider, which is there as text as well.
document.getElementById("copy-request")?.addEventListener("click", async ({ currentTarget: button }) => {
  const text = document.getElementById("request"), label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(text.textContent);
    label.textContent = button.dataset.copied;
  } catch { // no permission, or neither https nor this machine
    getSelection().selectAllChildren(text);
    label.textContent = button.dataset.failed;
  }
});

if (channel) {
  channel.onmessage = (event) => {
    unanswered = false;
    delete document.documentElement.dataset.back;
    changed();
    if (details && event.data?.alias === details.dataset.details) location.reload();
  };
}

// Back from the window, whatever happened there: look at once, not at the next poll. A moment later only, so that the
// click that brought the focus back still meets the button it aimed at. Where the window has not said how it ended, it
// may have been closed. Nobody can tell (see above), so the server is asked, and the card says what can be done.
let looked = 0;
function look() {
  if (document.hidden || Date.now() - looked < 1000) return;
  looked = Date.now();
  setTimeout(() => {
    if (unanswered) noticeNoAnswer();
    changed();
  }, 250);
}

function noticeNoAnswer() {
  if (details) { location.reload(); return; }
  if ("back" in document.documentElement.dataset) return;
  document.documentElement.dataset.back = "";
  const card = document.querySelector("[data-say-back]");
  if (card) document.dispatchEvent(new CustomEvent("keyrack-say", { detail: card.dataset.sayBack }));
}

window.addEventListener("focus", look);
document.addEventListener("visibilitychange", look);

const smallTouchScreen = () => matchMedia("(pointer: coarse)").matches && innerWidth < 640;

function openWindow(address) {
  const width = 520, height = Math.min(760, screen.availHeight);
  const left = Math.max(0, screenX + (outerWidth - width) / 2), top = Math.max(0, screenY + (outerHeight - height) / 2);
  return window.open(address, NAME, `popup,width=${width},height=${height},left=${left},top=${top}`);
}

function sayBlocked(link) {
  const place = document.getElementById("blocked");
  place.replaceChildren(document.getElementById("blocked-note").content.cloneNode(true));
  place.querySelector("a").href = link.href; // the same sign-in, in this tab
  place.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const leave = event.target.closest("[data-leave]");
  if (leave) { window.close(); return; } // in a tab this does nothing, and the link is followed
  const link = event.target.closest("a[aria-disabled='true'], a[data-connect]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (link.getAttribute("aria-disabled") === "true") return;
  if (smallTouchScreen()) { location.assign(link.href); return; }
  connect(link); // in the same tick as the click, else the window would be blocked
});

function connect(link) {
  const popup = openWindow(asPopup(link.href));
  if (!popup) { sayBlocked(link); return; }
  document.getElementById("blocked")?.replaceChildren();
  delete document.documentElement.dataset.back;
  unanswered = true;
  popup.focus?.();
  for (const delay of [300, 1200, 3000]) setTimeout(changed, delay); // the attempt exists once the window has asked for it
}

// The form that saves and then tries again opens the window with its click, empty. The page that comes back after the
// form was saved leads it to the provider; the page that shows an error closes it.
document.addEventListener("submit", ({ target }) => {
  if (!target.matches("[data-connects]") || smallTouchScreen() || !openWindow("")) return;
  const said = document.createElement("input");
  Object.assign(said, { type: "hidden", name: "window", value: "1" });
  target.append(said);
});

const goesOn = document.querySelector("a[data-goes-on]");
if (goesOn) {
  const here = new URL(location.href);
  here.searchParams.delete("go"); // a reload must not sign in again
  history.replaceState(null, "", here);
  if (smallTouchScreen()) location.assign(goesOn.href);
  else connect(goesOn);
}
if (document.querySelector("[data-has-window]")) window.open("", NAME)?.close();
