// Narrows the catalogue while typing. Without JavaScript the whole catalogue stays.
document.addEventListener("DOMContentLoaded", () => {
  const find = document.querySelector("[data-find]");
  const nothing = document.querySelector("[data-nothing]");
  find.hidden = false;
  const input = find.querySelector("input");
  input.focus();
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const provider of document.querySelectorAll("[data-provider]")) {
      let kinds = 0;
      for (const kind of provider.querySelectorAll("[data-kind]")) {
        kind.hidden = !words.every((word) => kind.dataset.kind.includes(word));
        kinds += kind.hidden ? 0 : 1;
      }
      provider.hidden = kinds === 0;
      shown += kinds;
    }
    nothing.hidden = shown > 0;
  });
});
