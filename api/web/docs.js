// Loads the description for whoever has a session already, a token, or a name and a
// password. The token stays in this page; a session is in a cookie that scripts do not see.
const page = document.querySelector("rapi-doc");
const form = document.querySelector("form");

async function show(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch("/api/v1/openapi.json", { headers });
  if (!response.ok) throw new Error((await response.json()).detail);
  const description = await response.json();
  await customElements.whenDefined("rapi-doc");
  if (token) page.addEventListener("spec-loaded", () => page.setApiKey("token", token), { once: true });
  form.style.display = "none";
  page.style.display = "";
  await page.loadSpec(description);
}

async function signIn(name, password) {
  const response = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, password }),
  });
  if (!response.ok) throw new Error((await response.json()).detail);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = form.querySelector("output");
  const { token, name, password } = Object.fromEntries(new FormData(form));
  said.textContent = "";
  try {
    if (!token) await signIn(name, password);
    await show(token.trim());
  } catch (error) {
    said.textContent = error.message;
  }
});

show("").catch(() => {
  form.style.display = "grid";
});
