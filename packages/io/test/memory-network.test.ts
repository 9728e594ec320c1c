import { netPortCases } from "@isomorph/interface/compliance";
import { describe, expect, test } from "vitest";
import { memoryNetwork } from "../src/index.ts";

describe("memoryNetwork", () => {
  const cases = netPortCases(() => {
    const network = memoryNetwork();
    const near = network.port();
    const far = network.port();
    return {
      near,
      far,
      close() {
        near.close();
        far.close();
      },
    };
  });
  for (const { name, run } of cases) test(`NetPort: ${name}`, run);

  test("a hub: all others hear a frame, a closed port hears and says nothing", () => {
    const network = memoryNetwork({ mtu: 9000 });
    const [a, b, c] = [network.port(), network.port(), network.port()];
    const heard: string[] = [];
    for (const [name, port] of Object.entries({ a, b, c })) port.onframe = () => heard.push(name) > 0;
    expect(a.send(new Uint8Array(9014))).toBe(true);
    expect(heard).toEqual(["b", "c"]);
    b.close();
    expect(b.send(new Uint8Array(60))).toBe(false);
    c.send(new Uint8Array(60));
    expect(heard).toEqual(["b", "c", "a"]);
  });

  test("answers without end are cut off", () => {
    const network = memoryNetwork();
    const [a, b] = [network.port(), network.port()];
    a.onframe = (frame) => a.send(frame);
    b.onframe = (frame) => b.send(frame);
    a.send(new Uint8Array(60));
    expect(network.counters().frames).toBe(64);
    expect(() => memoryNetwork({ mtu: 0 })).toThrow(RangeError);
  });
});
