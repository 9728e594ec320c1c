/** How much a line matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Takes log lines. The default everywhere is silence. Callers bound how often they log on a guest's behalf. */
export type Log = (level: LogLevel, message: string) => void;
