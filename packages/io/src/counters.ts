/** A device's metrics: event counts since it was made, by name. A fresh object at each call of `counters()`. */
export type Counters = { readonly [name: string]: number };
