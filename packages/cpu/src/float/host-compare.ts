import { narrow, widen } from "./carrier.ts";
import { COMPARISONS, type CompareName, type ExactPair, SELECTIONS, type SelectName } from "./compare.ts";
import type { FloatCore } from "./core.ts";
import type { FloatFormat } from "./format.ts";
import { bind, hostOps, toBits, toHost } from "./host.ts";
import type { Carrier, CompareFunction, SelectFunction } from "./types.ts";

/** Minimum or maximum, by the host where no operand is a NaN. */
export function defineHostSelect<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  name: SelectName,
  exact: ExactPair,
): SelectFunction<B> {
  const { carrier, host } = format;
  const params = ["i32", carrier, carrier] as const;
  return core.module.function(`${format.name}.${name}`, params, carrier, (c, [state, a, b]) => {
    if (host !== undefined) {
      const ops = hostOps(c, host);
      const x = bind(c, host, toHost(c, host, a.get()));
      const y = bind(c, host, toHost(c, host, b.get()));
      const result = bind(c, host, ops[SELECTIONS[name]](x.get(), y.get()));
      const number = ops.eq(result.get(), result.get());
      c.if(number, () => c.return(toBits(c, host, result.get())));
    }
    return narrow(c, format, c.call(exact, state.get(), widen(c, format, a), widen(c, format, b)));
  });
}

/** A comparison, by the host where no operand is a NaN. */
export function defineHostCompare<B extends Carrier>(
  core: FloatCore,
  format: FloatFormat<B>,
  name: CompareName,
  exact: ExactPair,
): CompareFunction<B> {
  const { carrier, host } = format;
  const params = ["i32", carrier, carrier] as const;
  return core.module.function(`${format.name}.${name}`, params, "i64", (c, [state, a, b]) => {
    if (host !== undefined) {
      const ops = hostOps(c, host);
      const x = bind(c, host, toHost(c, host, a.get()));
      const y = bind(c, host, toHost(c, host, b.get()));
      c.if(ops[COMPARISONS[name].relation](x.get(), y.get()), () => c.return(c.i64.const(1)));
      const number = ops.eq(x.get(), x.get());
      c.if(c.i32.and(number, ops.eq(y.get(), y.get())), () => c.return(c.i64.const(0)));
    }
    return c.call(exact, state.get(), widen(c, format, a), widen(c, format, b));
  });
}
