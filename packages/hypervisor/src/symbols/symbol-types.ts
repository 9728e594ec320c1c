/** Names that mark places for tools and name nothing: mapping symbols ("RISC-V ELF psABI", "Mapping Symbol"), local labels. */
export function isMarker(name: string): boolean {
  return name === "" || /^(\$[xd]|\.L)/.test(name);
}

/**
 * How well a symbol of one of nm's types names code: global above weak above local. undefined for what is not code.
 * A name for the start of something larger (`_text`, `__init_begin`) is less telling than that of what starts there.
 */
export function textRank(type: string, name: string): number | undefined {
  const base = { T: 3, W: 2, w: 2, t: 1 }[type];
  return base === undefined || isMarker(name) ? undefined : nameRank(base, name);
}

export function nameRank(base: number, name: string): number {
  return /^_*(s?text|etext|stext|start|end|begin|.*_(start|end|begin))$/.test(name) ? 0 : base;
}
