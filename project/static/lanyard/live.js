// Parts of a page that refresh by themselves: [data-live] says after how many seconds. They pause while nobody
// looks, and say how old they are.
(() => {
  const readAt = new WeakMap(), opened = new Set()

  function stands(part) {
    if (!readAt.has(part)) readAt.set(part, performance.now())
    return (performance.now() - readAt.get(part)) / 1000
  }

  function inUse(part) {
    const chosen = getSelection()
    return !chosen.isCollapsed && part.contains(chosen.anchorNode)
  }

  setInterval(() => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const age = stands(part), every = Number(part.dataset.live)
      const shown = part.querySelector("[data-age]")
      if (shown && age >= 1) {
        shown.textContent = `, ${shown.dataset.ago.replace("%s", Math.round(age))}` +
          (part.dataset.stuck ? ` (${shown.dataset.stuck})` : "")
      }
      const due = age >= every && performance.now() - Number(part.dataset.asked || 0) >= every * 1000
      if (due && !document.hidden && !inUse(part)) {
        part.dataset.asked = performance.now()
        htmx.trigger(part, "refresh")
      }
    }
  }, 1000)

  // What is no such part, as the page to sign in again, must not take its place.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target
    if (!part.dataset.live) return
    const fits = event.detail.xhr.status === 200 && event.detail.serverResponse.includes(`id="${part.id}"`)
    if (!fits) {
      event.detail.shouldSwap = false
      part.dataset.stuck = "1"
      return
    }
    for (const one of part.querySelectorAll("details[open][id]")) opened.add(one.id)
  })
  // What somebody has opened stays open.
  document.addEventListener("htmx:load", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "")
    opened.clear()
  })
  for (const failure of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failure, (event) => {
      if (event.detail.elt.dataset.live) event.detail.elt.dataset.stuck = "1"
    })
  }
})()
