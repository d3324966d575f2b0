// What the theme leaves to the mouse is a button for the keyboard as well, and its icons are not read out as words.
(() => {
  const ICON = ".material-symbols-outlined"
  const menu = document.currentScript.dataset.menu

  // While the theme hides the page, the browser finds nothing to focus.
  function begin() {
    if (document.activeElement === document.body) document.querySelector("#content [autofocus]")?.focus()
  }
  begin()
  document.addEventListener("alpine:initialized", begin)

  function words(element) {
    const plain = element.cloneNode(true)
    for (const icon of plain.querySelectorAll(ICON)) icon.remove()
    return plain.textContent.trim() || element.getAttribute("aria-label") || element.title
  }

  for (const one of document.querySelectorAll("[x-on\\:click]:not(a[href], button, input, select, textarea, li)")) {
    // What only passes a click on to what is in it, or closes something.
    if (one.querySelector("a[href], button, input") || one.hasAttribute("role")) continue
    one.setAttribute("role", "button")
    one.tabIndex = 0
    const named = one.matches(ICON) ? one.getAttribute("aria-label") : words(one)
    if (!named) one.setAttribute("aria-label", menu)
    one.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return
      event.preventDefault()
      one.click()
    })
  }
  for (const icon of document.querySelectorAll(`${ICON}:not([aria-hidden], [role])`)) {
    const around = icon.closest("a, button, [role=button]")
    if (!around || words(around)) icon.setAttribute("aria-hidden", "true")
  }
})()
