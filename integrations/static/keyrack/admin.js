// Copy buttons: <code>value</code> <button data-copy data-copied="…" data-failed="…"> <span role="status">.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const value = button.previousElementSibling, status = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(value.textContent);
    status.textContent = button.dataset.copied;
  } catch { // no permission, or no clipboard outside https
    getSelection().selectAllChildren(value);
    status.textContent = button.dataset.failed;
  }
  setTimeout(() => { status.textContent = ""; }, 3000);
});

// Fields that don't apply are hidden. A field with an error stays. Without JavaScript all are there.
const isSet = (row) => [...row.querySelectorAll("input, textarea, select")].some((field) =>
  field.type === "checkbox" ? field.checked : !["", "{}", "unknown"].includes(field.value.trim()));
const isEmpty = (field, row) => !field.value.trim() && !isSet(row);
const APPLIES = [ // a field, the condition on another field, and the class of the row that then makes no sense
  ["send_credentials", (field) => field.value === "none", ".field-client_secret"],
  ["send_credentials", (field) => field.value === "none", ".field-client_secret_expires_on"],
  ["pkce_required", (field) => !field.checked, ".field-code_challenge_method"],
  ["issuer", isEmpty, ".field-names_issuer"],
  ["userinfo_url", isEmpty, ".field-userinfo_request"],
  ["token_revocation_url", isEmpty, ".field-revocation_request"],
  ["token_revocation_url", isEmpty, ".field-revocation_reach"],
  ["base_url_path", isEmpty, ".field-base_url_hosts"],
  ["type", (field) => field.value === "connection_and_credential", ".field-credential"],
  ["active", (field) => field.checked, ".field-inactive_reason"],
];

function showWhatApplies() {
  for (const [name, isPointless, row] of APPLIES) {
    const field = document.getElementById(`id_${name}`), hidden = document.querySelector(`.form-row${row}`);
    if (field && hidden && !hidden.closest(".inline-group")) hidden.hidden = isPointless(field, hidden) && !hidden.classList.contains("errors");
  }
}

showWhatApplies();
document.addEventListener("change", showWhatApplies);
document.addEventListener("DOMContentLoaded", showWhatApplies);
