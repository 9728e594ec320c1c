/** An element of the page. Throws a TypeError when the page has none of that kind under that id. */
export function element<E extends HTMLElement>(id: string, kind: abstract new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`the page has no ${kind.name} with id ${id}`);
  return found;
}
