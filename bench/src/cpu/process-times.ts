import { readdirSync, readFileSync } from "node:fs";

/** What a process tree has used up to now, in seconds. */
export interface ProcessTimes {
  readonly user: number;
  readonly system: number;
}

/** Clock ticks in a second as /proc counts them: USER_HZ, which is 100 on all machines that Node runs on. */
const TICKS = 100;

/**
 * The times of a process with all of its threads, of its descendants, and of those that it waited for (proc(5), fields
 * 14 to 17 of `stat`), to a hundredth of a second; undefined when the process is gone.
 */
export function processTimes(pid: number): ProcessTimes | undefined {
  let user = 0;
  let system = 0;
  const add = (id: number): boolean => {
    const fields = statFields(id);
    if (fields === undefined) return false;
    user += Number(fields[11]) + Number(fields[13]);
    system += Number(fields[12]) + Number(fields[14]);
    for (const child of children(id)) add(child);
    return true;
  };
  return add(pid) ? { user: user / TICKS, system: system / TICKS } : undefined;
}

/** The fields of /proc/PID/stat from the third on: those before may hold blanks. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** The direct children: the kernel keeps a list for each thread that has started some. */
function children(pid: number): number[] {
  const found: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
      for (const child of text.split(" ")) if (child !== "") found.push(Number(child));
    }
  } catch {
    // It has ended meanwhile, or one of its threads has: those that were found are what there is.
  }
  return found;
}
