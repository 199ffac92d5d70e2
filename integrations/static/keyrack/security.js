// Account Security: dialogs, copying what is shown once, and taking it away. The page is complete without it.
// It listens to htmx by events whose names htmx 2 and 4 know.

const dialog = document.getElementById("dialog");
const say = (words) => document.dispatchEvent(new CustomEvent("keyrack-say", { detail: words.trim() }));
const STAYS_COPIED = 3000;
let opener = "";
let heading = "";

function onHtmx(name, listener) {
  document.addEventListener(`htmx:${name}`, listener);
  document.addEventListener(`htmx:${name.replace("-", ":")}`, listener);
}

// A secret that was shown must be in no page that the browser keeps: neither for Back, nor for a reload.
const forget = () => document.getElementById("new-secret")?.remove();

window.addEventListener("pagehide", forget);
window.addEventListener("pageshow", (event) => { if (event.persisted) forget(); });

function shown() {
  if (!document.getElementById("new-secret")) return;
  history.replaceState(null, "", document.getElementById("security").dataset.page); // a reload sends no form again
  document.getElementById("new-h").focus();
}

async function copy(button) {
  const value = document.getElementById("new-value");
  const label = button.querySelector("span");
  const words = label.dataset.words ??= label.textContent; // pressed twice, it already says "Copied"
  try {
    await navigator.clipboard.writeText(value.textContent);
  } catch { // no permission, or neither https nor this machine
    getSelection().selectAllChildren(value);
    say(button.dataset.byHand);
    label.textContent = button.dataset.byHand;
    return;
  }
  say(button.dataset.copied);
  label.textContent = button.dataset.copied;
  setTimeout(() => { label.textContent = words; }, STAYS_COPIED);
}

document.addEventListener("click", (event) => {
  opener = event.target.closest("[data-dialog]")?.id ?? opener;
  if (dialog && (event.target === dialog || event.target.closest("[data-close-dialog]"))) dialog.close();
  const button = event.target.closest("#copy");
  if (button) copy(button);
  if (event.target.closest("#stored")) {
    event.preventDefault();
    const section = event.target.closest("section");
    forget();
    section.querySelector("h2").focus();
  }
});

if (dialog) {
  new MutationObserver(() => {
    if (!dialog.childElementCount || dialog.open) return;
    dialog.showModal();
    dialog.scrollTop = 0; // the button in focus may be far below the question
  }).observe(dialog, { childList: true });
  dialog.addEventListener("submit", (event) => { heading = event.target.dataset.focus ?? ""; });
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    document.getElementById(opener)?.focus();
  });
}

// Back from the question whether it is still you: the dialog that was asked for opens, as it would have then.
window.addEventListener("load", () => {
  const path = location.hash.slice(1);
  if (!path.startsWith("/")) return;
  history.replaceState(null, "", location.pathname + location.search);
  [...document.querySelectorAll("a[data-dialog]")].find((link) => link.getAttribute("href") === path)?.click();
});

function beforeSwap(event) {
  const { target, shouldSwap, serverResponse = "" } = event.detail ?? {};
  if (!shouldSwap) return;
  const strange = (target === dialog && !serverResponse.includes("data-close-dialog"))
    || (target?.id === "security" && !serverResponse.includes('id="security"') && !serverResponse.includes("data-close-dialog"));
  if (!strange) return; // else signed out meanwhile: the answer is the login page, and belongs into the whole window
  event.detail.shouldSwap = false;
  location.reload();
}

function failed() {
  dialog?.close();
  document.getElementById("toasts").append(document.getElementById("failed").content.cloneNode(true));
}

onHtmx("before-swap", beforeSwap);
onHtmx("response-error", failed);
onHtmx("send-error", failed);
document.addEventListener("DOMContentLoaded", shown);
new MutationObserver((changes) => {
  if (!changes.some((change) => [...change.addedNodes].some((node) => node.id === "security"))) return;
  opener = ""; // closing would give the focus back to it, later
  dialog?.close();
  document.getElementById(heading)?.focus();
  heading = "";
  shown();
}).observe(document.getElementById("main"), { childList: true });
