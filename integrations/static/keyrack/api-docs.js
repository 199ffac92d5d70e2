// Swagger UI has a dark scheme, but does not look for what the system prefers. In the head, so that nothing flashes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
