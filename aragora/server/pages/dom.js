// Building the page: text is only ever set as text, never as markup.

/** An element with a class, attributes and children; strings become text nodes. */
export function el(tag, className = "", children = [], attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...[children].flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

export const byId = (id) => document.getElementById(id);

export const percent = (share) => `${Math.round(share * 100)} %`;

/** "1 vote", "2 votes". */
export const counted = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

export function list(items) {
  return items && items.length ? el("ul", "", items.map((item) => el("li", "", item))) : null;
}
