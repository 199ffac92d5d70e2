// Comforts of the administration's pages; everything works without them.
// <button data-copies="id" data-copied="…" data-by-hand="…">, <input data-narrows="id">, <div data-picks="id of a radio">.

const say = (words) => document.dispatchEvent(new CustomEvent("keyrack-say", { detail: words }));

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const value = document.getElementById(button.dataset.copies);
  const label = button.querySelector("span");
  const words = label.dataset.words ??= label.textContent; // pressed twice, it already says "Copied"
  try {
    await navigator.clipboard.writeText(value.textContent);
    label.textContent = button.dataset.copied;
  } catch { // no permission, or no clipboard outside https
    getSelection().selectAllChildren(value);
    label.textContent = button.dataset.byHand;
  }
  say(label.textContent);
  setTimeout(() => { label.textContent = words; }, 3000);
});

document.addEventListener("input", (event) => {
  const narrowed = document.getElementById(event.target.dataset.narrows);
  if (!narrowed) return;
  const wanted = event.target.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  for (const row of narrowed.querySelectorAll(".check")) {
    const text = row.textContent.toLocaleLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word)) && !row.querySelector(":checked");
  }
});

// The preview of the card follows what is typed into its texts.
const preview = document.getElementById("preview");
preview && document.addEventListener("input", ({ target }) => {
  if (target.id === "id_label") document.getElementById("preview-label").textContent = target.value;
  if (target.id !== "id_description") return;
  const body = document.getElementById("preview-body");
  let text = body.querySelector(".card__desc");
  if (!text) {
    text = document.createElement("p");
    text.className = "card__desc";
    body.prepend(text);
  }
  text.textContent = target.value;
});

// Ticking a group chooses "only some groups".
document.addEventListener("change", (event) => {
  const picks = event.target.closest("[data-picks]");
  if (picks && event.target.checked) document.getElementById(picks.dataset.picks).checked = true;
});
