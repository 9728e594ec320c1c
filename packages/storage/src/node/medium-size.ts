/**
 * Finds the size of a medium that does not tell it, in units of 512 bytes, by reading where it ends: some hundred
 * reads at most.
 *
 * `read` reads up to 512 bytes at a position and gives how many there were, 0 beyond the end.
 */
export function mediumSize(read: (target: Uint8Array, position: number) => number): number {
  const target = new Uint8Array(512);
  const has = (sector: number): boolean => read(target, sector * 512) > 0;
  if (!has(0)) return 0;
  let inside = 0;
  let outside = 1;
  // Files end below 2^53 bytes.
  while (outside < 2 ** 43 && has(outside)) {
    inside = outside;
    outside *= 2;
  }
  while (outside - inside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (has(middle)) inside = middle;
    else outside = middle;
  }
  return outside * 512;
}
