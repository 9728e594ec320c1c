/** What WebAssembly objects are alive, of those made since tracking began. */
export interface LiveWebAssembly {
  readonly modules: number;
  readonly instances: number;
  /** Entries of all tables. */
  readonly tableEntries: number;
  /** Makes WebAssembly as it was. */
  restore(): void;
}

/** Counts WebAssembly's objects from now on. What the collector has not found yet counts as alive. */
export function trackWebAssembly(): LiveWebAssembly {
  const { Module, Instance, Table } = WebAssembly;
  const counts = { Module: 0, Instance: 0 };
  const registry = new FinalizationRegistry<keyof typeof counts>((kind) => {
    counts[kind]--;
  });
  const tables: WeakRef<WebAssembly.Table>[] = [];
  const made = (kind: keyof typeof counts, object: object): void => {
    counts[kind]++;
    registry.register(object, kind);
  };
  WebAssembly.Module = class extends Module {
    constructor(...args: ConstructorParameters<typeof Module>) {
      super(...args);
      made("Module", this);
    }
  };
  WebAssembly.Instance = class extends Instance {
    constructor(...args: ConstructorParameters<typeof Instance>) {
      super(...args);
      made("Instance", this);
    }
  };
  WebAssembly.Table = class extends Table {
    constructor(...args: ConstructorParameters<typeof Table>) {
      super(...args);
      tables.push(new WeakRef<WebAssembly.Table>(this));
    }
  };
  return {
    get modules() {
      return counts.Module;
    },
    get instances() {
      return counts.Instance;
    },
    get tableEntries() {
      return tables.reduce((sum, table) => sum + (table.deref()?.length ?? 0), 0);
    },
    restore: () => Object.assign(WebAssembly, { Module, Instance, Table }),
  };
}
