// What axe finds in Django's own admin pages and no template of ours can change: an icon with a label and without a role,
// Select2's fields without a label, headings of table columns without a text. Runs after Django's scripts, which begin
// with the same event.
addEventListener("load", () => setTimeout(() => {
  for (const icon of document.querySelectorAll(".help-tooltip.search-label-icon")) icon.setAttribute("role", "img");
  for (const box of document.querySelectorAll(".select2-container")) {
    const select = box.previousElementSibling;
    const label = select?.labels?.[0]?.textContent.trim().replace(/:$/, "") ?? select?.name;
    for (const part of box.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox], .select2-search__field")) part.ariaLabel = label;
  }
  for (const heading of document.querySelectorAll(".tabular thead th")) {
    if (heading.textContent.trim()) continue;
    const cell = document.createElement("td");
    cell.className = heading.className;
    heading.replaceWith(cell);
  }
}));
