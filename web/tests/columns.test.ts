import { dictionary, float32, tableFromArrays, tableFromIPC, tableToIPC, utf8 } from "@uwdata/flechette";
import { expect, it } from "vitest";
import { readColumn } from "../src/columns";

function read(values: Record<string, unknown[]>) {
  const types = { name: dictionary(utf8()), number: float32() };
  const table = tableFromIPC(tableToIPC(tableFromArrays(values, { types }), { format: "stream" })!);
  return Object.keys(values).map((name) => readColumn(table.getChild(name)));
}

it("reads names as codes, with -1 for what is unknown", () => {
  const [column] = read({ name: ["cat", "dog", null, "cat", "cat"] });
  if (column.kind !== "names") throw new Error("no names");
  expect([...column.codes].map((code) => column.names[code] ?? null)).toEqual(["cat", "dog", null, "cat", "cat"]);
  expect(column.codes[2]).toBe(-1);
  expect(column.names.map((name, code) => [name, column.counts[code]])).toEqual([["cat", 3], ["dog", 1]]);
});

it("reads numbers with their range, whatever is unknown among them", () => {
  const [column] = read({ number: [0.5, NaN, -2, 3, 1] });
  if (column.kind !== "numbers") throw new Error("no numbers");
  expect([...column.values]).toEqual([0.5, NaN, -2, 3, 1]);
  expect([column.low, column.high]).toEqual([-2, 3]);
});
