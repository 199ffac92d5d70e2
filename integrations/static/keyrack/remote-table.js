// What makes a remote table pleasant: a skeleton while it loads, spoken counts, focus that is never lost, a clock.
// The page is complete without it: searching, sorting and paging are links and a GET form.

const SKELETON_AFTER = 300; // milliseconds; what comes sooner would only flicker
const live = () => document.getElementById("live");
const rows = () => document.getElementById("rows");

function onHtmx(name, listener) {
  document.addEventListener(`htmx:${name}`, listener);
  document.addEventListener(`htmx:${name.replace("-", ":")}`, listener);
}

// "Loaded 12 seconds ago", in the language of the page
const inWords = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });

function ago(seconds) {
  if (seconds < 60) return inWords.format(-seconds, "second");
  return seconds < 3600 ? inWords.format(-Math.round(seconds / 60), "minute") : inWords.format(-Math.round(seconds / 3600), "hour");
}

function tick() {
  const loaded = document.getElementById("loaded");
  if (!loaded) return;
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(loaded.dataset.at)) / 1000));
  loaded.textContent = loaded.dataset.words.replace("{ago}", ago(seconds));
}

function countDown() {
  for (const place of document.querySelectorAll("[data-wait]")) {
    place.textContent = Math.max(0, Number(place.textContent) - 1);
  }
}

setInterval(countDown, 1000);
setInterval(tick, 5000);
tick();

// Loading
let timer;

function busy(is) {
  rows()?.setAttribute("aria-busy", String(is));
  rows()?.classList.toggle("is-loading", is);
}

onHtmx("before-request", (event) => {
  if (event.defaultPrevented) return;
  clearTimeout(timer);
  timer = setTimeout(() => busy(true), SKELETON_AFTER);
});

onHtmx("after-request", () => {
  clearTimeout(timer);
  busy(false);
});

// Signed out meanwhile: the answer is the login page, and belongs into the whole window.
onHtmx("before-swap", (event) => {
  const { shouldSwap, serverResponse = "" } = event.detail ?? {};
  if (!shouldSwap || /id="(rows|live)"/.test(serverResponse)) return;
  event.detail.shouldSwap = false;
  location.reload();
});

function failed() {
  document.getElementById("toasts").append(document.getElementById("failed").content.cloneNode(true));
}
onHtmx("response-error", failed);
onHtmx("send-error", failed);

// What has come: spoken, and with the focus on something that is there
onHtmx("after-settle", () => {
  tick();
  const said = (rows() ?? live())?.dataset.say;
  if (said) document.dispatchEvent(new CustomEvent("keyrack-say", { detail: said }));
  if (!document.activeElement || document.activeElement === document.body) {
    (document.getElementById("table-scroll") ?? document.getElementById("table-h"))?.focus({ preventScroll: true });
  }
});
