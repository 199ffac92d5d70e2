// Small comforts of every page: toasts that leave, a menu that closes, a password that can be looked at.
// Everything works without them. Other scripts speak to the live region by the event "keyrack-say".

const status = document.getElementById("status");
const toasts = document.getElementById("toasts");
const STAY = 6000;

// What is said within one moment is spoken together, and once: a second sentence would cut off the first.
let sentences = [];

document.addEventListener("keyrack-say", (event) => {
  if (!status) return;
  sentences.push(event.detail);
  if (sentences.length > 1) return;
  status.textContent = "";
  setTimeout(() => { // emptied first, so that the same words are spoken twice
    status.textContent = [...new Set(sentences)].join(" ");
    sentences = [];
  }, 60);
});

// A passing toast leaves after six seconds in which nobody points at it or has the focus in it; errors stay.
function passing(toast) {
  let timer;
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => toast.remove(), STAY); };
  const hold = () => clearTimeout(timer);
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", wait);
  toast.addEventListener("focusout", wait);
  wait();
}

function announce(toast) {
  if (toast.getAttribute("role") === "alert") return; // announces itself
  const words = toast.querySelector("div")?.innerText.trim();
  if (words) document.dispatchEvent(new CustomEvent("keyrack-say", { detail: words }));
}

if (toasts) {
  toasts.querySelectorAll("[data-passing]").forEach(passing);
  toasts.querySelectorAll(".toast").forEach(announce); // of a page that was loaded with them
  new MutationObserver((changes) => {
    for (const toast of changes.flatMap((change) => [...change.addedNodes])) {
      if (!(toast instanceof Element)) continue;
      if (toast.matches("[data-passing]")) passing(toast);
      announce(toast);
    }
  }).observe(toasts, { childList: true });
}

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close-toast]");
  if (close) {
    close.closest(".toast").remove();
    document.getElementById("main")?.focus({ preventScroll: true });
    return;
  }
  const peek = event.target.closest("[data-peek]");
  if (peek) {
    const shown = peek.getAttribute("aria-pressed") !== "true";
    peek.setAttribute("aria-pressed", String(shown));
    document.getElementById(peek.dataset.peek).type = shown ? "text" : "password";
  }
  const menu = document.querySelector("details:is(.menu, .more)[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details:is(.menu, .more)[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
