// Tells the server in which time zone this browser is, so that pages show times in it. The profile comes before it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const secure = location.protocol === "https:" ? "; Secure" : "";
if (zone) document.cookie = `keyrack-time-zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
