/** Lists with a row for each sample, of which some stand side by side in longer rows. */

/** Rows of each list, side by side. */
export function joinedRows(lists: readonly Float32Array[], count: number): Float32Array {
  const [only, ...others] = lists;
  if (only !== undefined && others.length === 0) return only;
  const sizes = lists.map(({ length }) => length / count);
  const width = sizes.reduce((sum, size) => sum + size, 0);
  const joined = new Float32Array(width * count);
  lists.reduce((at, list, k) => {
    const size = sizes[k] as number;
    for (let row = 0; row < count; row += 1) {
      joined.set(list.subarray(row * size, (row + 1) * size), row * width + at);
    }
    return at + size;
  }, 0);
  return joined;
}

/** Columns `from` … `from` + `size` − 1 of rows of `width`. */
function columns(rows: Float32Array, width: number, from: number, size: number): Float32Array {
  if (size === width) return rows;
  const count = rows.length / width;
  const part = new Float32Array(count * size);
  for (let row = 0; row < count; row += 1) {
    part.set(rows.subarray(row * width + from, row * width + from + size), row * size);
  }
  return part;
}

/** What rows of `sizes`, side by side, hold for each. */
export function partsOfRows(rows: Float32Array, sizes: readonly number[]): readonly Float32Array[] {
  const width = sizes.reduce((sum, size) => sum + size, 0);
  let from = 0;
  return sizes.map((size) => {
    const part = columns(rows, width, from, size);
    from += size;
    return part;
  });
}
