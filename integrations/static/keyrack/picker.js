// The choice of integrations for a program: search in the list, and the chosen ones as chips. Without it, the list is
// complete and works by its boxes. Listens on the document, since the form may come later, in a dialog.

const fold = (text) => text.toLocaleLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
const boxes = (place) => [...place.querySelectorAll(".picker input[type=checkbox]")];
const titleOf = (box) => box.closest("label").querySelector("[data-title]").textContent;

function search(reach, query) {
  const words = fold(query).split(/\s+/).filter(Boolean);
  const items = [...reach.querySelectorAll(".picker li")];
  for (const item of items) item.hidden = !words.every((word) => fold(item.textContent).includes(word));
  const found = reach.querySelector("[data-found]");
  const shown = items.filter((item) => !item.hidden).length;
  found.textContent = words.length ? found.dataset.words.replace("{shown}", shown).replace("{all}", items.length) : "";
}

function chip(reach, box) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const title = document.createElement("bdi");
  title.textContent = titleOf(box);
  const hidden = document.createElement("span");
  hidden.className = "vh";
  hidden.textContent = ` ${reach.querySelector("[data-picked]").dataset.remove}`;
  const cross = document.createElement("span");
  cross.ariaHidden = "true";
  cross.textContent = "×";
  button.type = "button";
  button.id = `chip-${box.id}`;
  button.append(title, cross, hidden);
  button.addEventListener("click", () => { box.checked = false; box.dispatchEvent(new Event("input", { bubbles: true })); reach.querySelector("#pick").focus(); });
  item.append(button);
  return item;
}

function show(reach) {
  const place = reach.querySelector("[data-picked]");
  if (!place) return;
  const chosen = boxes(reach).filter((box) => box.checked);
  place.replaceChildren(...chosen.map((box) => chip(reach, box)));
  const count = reach.querySelector("[data-picked-count]");
  count.textContent = count.dataset.words.replace("{count}", chosen.length);
}

// The sentences in the foot of a new token's form: what it may call, what else it may do, and until when.
function sayInWords(place) {
  const form = place.closest("form"), said = place.dataset, list = new Intl.ListFormat(document.documentElement.lang);
  const reach = form.querySelector("[name=reach]:checked")?.value;
  const names = boxes(form).filter((box) => box.checked).map(titleOf);
  const others = [...form.querySelectorAll(".check input:checked")].map((box) => form.querySelector(`label[for="${box.id}"]`));
  const lasts = form.querySelector("[name=expires]"), sentences = [];
  if (reach === "all") sentences.push(said.all);
  if (reach === "selected" && names.length) sentences.push(said.selected.replace("{names}", () => list.format(names)));
  if (others.length) sentences.push(said.also.replace("{things}", () => list.format(others.map((label) => label.textContent.trim()))));
  if (!sentences.length) sentences.push(said.nothing);
  else if (lasts?.value === "never") sentences.push(said.never);
  else if (lasts) sentences.push(said.until.replace("{time}", () => lasts.selectedOptions[0].text));
  place.querySelector("p").textContent = sentences.join(" ");
}

document.addEventListener("input", ({ target }) => {
  const place = target.id !== "pick" && target.closest?.("form")?.querySelector("[data-in-words]");
  if (place) sayInWords(place);
});

document.addEventListener("input", (event) => {
  const reach = event.target.closest?.("[data-reach]");
  if (!reach) return;
  if (event.target.id === "pick") search(reach, event.target.value);
  else show(reach);
});

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "pick") return;
  if (event.key === "Enter") event.preventDefault(); // searches, and does not send the form
  if (event.key === "Escape" && event.target.value) {
    event.preventDefault(); // else it would close the dialog
    event.target.value = "";
    search(event.target.closest("[data-reach]"), "");
  }
});

const showAll = () => {
  document.querySelectorAll("[data-reach]").forEach(show);
  document.querySelectorAll("[data-in-words]").forEach(sayInWords);
};
new MutationObserver((changes) => {
  if (changes.some((change) => [...change.addedNodes].some((node) => node.querySelector?.("[data-reach]")))) showAll();
}).observe(document.body, { childList: true, subtree: true });
showAll();
