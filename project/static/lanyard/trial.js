// "Save and test" without leaving the page: what was entered stays in its fields when the provider refuses it, also
// the secrets, which the server never sends back. Without JavaScript the page comes back with the secrets empty.
(() => {
  const CONTENT = "#content-main", BUTTONS = "#submit-row"

  document.addEventListener("submit", async (event) => {
    const button = event.submitter, form = event.target
    if (!button || button.name !== "_test" || form.dataset.sent) return
    event.preventDefault()
    form.dataset.sent = "1"
    const words = button.textContent, secrets = new Map()
    for (const input of form.querySelectorAll("[data-secret]")) secrets.set(input.name, input.value)
    button.textContent = button.dataset.busy
    button.setAttribute("aria-busy", "true")
    try {
      const body = new FormData(form)
      body.append(button.name, "1")
      const answer = await fetch(form.getAttribute("action") || location.href, {
        method: "POST", body, headers: { "X-Lanyard-Stay": "1" }, redirect: "error",
      })
      const target = answer.headers.get("X-Lanyard-Goes-To")
      if (target) return location.assign(target)
      if (!answer.ok) throw new Error(answer.status)
      const page = new DOMParser().parseFromString(await answer.text(), "text/html")
      const found = page.querySelector(CONTENT)
      if (!found) throw new Error("no form")
      document.querySelector(CONTENT).innerHTML = found.innerHTML
      document.querySelector(BUTTONS).innerHTML = page.querySelector(BUTTONS).innerHTML
      for (const [name, value] of secrets) {
        const input = document.querySelector(`${CONTENT} [name="${CSS.escape(name)}"]`)
        if (input && !document.querySelector("[data-used-up]")) input.value = value
      }
      const outcome = document.querySelector("[data-trial], .errornote, .errors")
      if (outcome) {
        outcome.setAttribute("tabindex", "-1")
        outcome.focus()
        outcome.scrollIntoView({ block: "start" })
      }
    } catch {
      // As without JavaScript.
      const asked = document.createElement("input")
      Object.assign(asked, { type: "hidden", name: "_test", value: "1" })
      form.append(asked)
      form.submit()
    } finally {
      delete form.dataset.sent
      button.textContent = words
      button.removeAttribute("aria-busy")
    }
  })
})()
