// The pages work without this. It completes fields and values in the search,
// and brings "/" to it.
"use strict";
const q = document.getElementById("q");
const list = document.getElementById("completions");
if (q && list) {
  let waiting;
  q.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const text = q.value;
      const answer = await fetch("/v1/complete?text=" + encodeURIComponent(text));
      if (!answer.ok || text !== q.value) return;
      list.replaceChildren(...(await answer.json()).map((value) => {
        const option = document.createElement("option");
        option.value = value;
        return option;
      }));
    }, 120);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      q.focus();
      q.select();
    }
  });
}
