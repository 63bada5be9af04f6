/** The columns of all objects, as the Arrow stream brings them. */

/** One column of all objects: numbers, or names with the place of each object's. */
export type Column =
  | { kind: "numbers"; values: Float32Array; low: number; high: number }
  | { kind: "names"; codes: Int32Array; names: string[]; counts: Int32Array };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- flechette's columns have no narrower type
export function readColumn(column: any): Column {
  if (column.type.dictionary) return readNames(column);
  const values = new Float32Array(column.toArray());
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < values.length; row++) {
    if (values[row] < low) low = values[row];
    if (values[row] > high) high = values[row];
  }
  return { kind: "numbers", values, low, high };
}

/** Read a dictionary: its keys are the codes, and nothing is made of each row. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function readNames(column: any): Column {
  const [batch] = column.data;
  const names: string[] = batch ? batch.dictionary.toArray() : [];
  // The buffer may be longer than the column, to a whole number of 8 bytes.
  const codes = new Int32Array(batch ? batch.values.subarray(0, batch.length) : 0);
  if (batch?.nullCount) for (let row = 0; row < codes.length; row++) if (batch.at(row) === null) codes[row] = -1;
  const counts = new Int32Array(names.length);
  for (let row = 0; row < codes.length; row++) if (codes[row] >= 0) counts[codes[row]]++;
  return { kind: "names", codes, names, counts };
}
