/** The commands that give what the page shows, to be copied into a shell. */
import { guarded, summary } from "./state";

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export const searchCommand = (object: string, space: string, metric: string, k: number, same: boolean, label: string | null) =>
  `objectspace search ${quoted(summary.value!.name)} --object ${object} --space ${quoted(space)} --metric ${metric} -k ${k}${same ? " --same-image" : ""}${label === null ? "" : ` --neighbor-label ${quoted(label)}`}`;

export const measureCommand = (space: string, metric: string, k: number) =>
  `objectspace measure ${quoted(summary.value!.name)} --factor label --space ${quoted(space)} --metric ${metric} -k ${k}`;

export const CopyCommand = ({ command }: { command: string }) => (
  <button title={command} onClick={() => guarded(() => navigator.clipboard.writeText(command))}>Copy command</button>
);
