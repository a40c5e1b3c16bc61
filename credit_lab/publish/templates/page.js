"use strict";
(() => {
  const switcher = document.getElementById("code-switch");
  switcher.hidden = !document.querySelector("pre.code");
  switcher.addEventListener("click", () => {
    const on = document.body.classList.toggle("with-code");
    switcher.setAttribute("aria-pressed", String(on));
  });
  const number = (text) => {
    const found = text.replace(/,/g, "").match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  const compare = (column, numeric, sign) => (a, b) => {
    const x = a.cells[column].textContent, y = b.cells[column].textContent;
    if (x === "–" || y === "–") return (x === "–") - (y === "–");
    return sign * (numeric ? number(x) - number(y) : x.localeCompare(y));
  };
  for (const table of document.querySelectorAll(".table table")) {
    const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
    if (original.length < 2) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" }[head.ariaSort] || "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next !== "none") head.setAttribute("aria-sort", next);
        const numeric = head.classList.contains("number"), sign = next === "descending" ? -1 : 1;
        body.append(...(next === "none" ? original : [...original].sort(compare(column, numeric, sign))));
      });
    });
  }
})();
