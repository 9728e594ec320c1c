import { ModuleBuilder } from "./module.ts";

let tailCalls: boolean | undefined;

/** Whether the engine has tail calls (`return_call`). Found out by validating a module, once. */
export function supportsTailCalls(): boolean {
  if (tailCalls === undefined) {
    const module = new ModuleBuilder();
    const target = module.declare("", []);
    module.define(target, (code) => code.returnCall(target));
    tailCalls = WebAssembly.validate(module.toBytes());
  }
  return tailCalls;
}
