import { dirname } from "node:path";
import type { Page } from "playwright";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { DEMO_LAST_WORDS } from "../../../packages/cli/src/demo/index.ts";
import { buildDebianGuest, type DebianGuest } from "../../../packages/cli/src/guest/debian.ts";
import { boot, cacheDir, type OpenPage, openPlayground, type Playground, screen } from "./playground.ts";

let playground: Playground;
let guest: DebianGuest;
let url = "";

beforeAll(async () => {
  guest = await buildDebianGuest({ cacheDir });
  playground = await openPlayground();
  url = await playground.serve(dirname(guest.kernel));
}, 900_000);

afterAll(() => playground?.close());

afterEach(async () => {
  await Promise.all(playground.browser.contexts().map((context) => context.close()));
});

/** Waits until the terminal shows a text. */
const shows = (page: Page, text: string | RegExp, timeout = 10_000): Promise<void> =>
  expect.poll(() => screen(page), { timeout, interval: 100 }).toMatch(text);

const state = (page: Page): Promise<string | null> => page.getByRole("status").textContent();

const alert = (page: Page): Promise<string | null> => page.locator("#failure-text").textContent();

const ready = async (opened: Promise<OpenPage>): Promise<OpenPage> => {
  const { page } = await opened;
  await page.locator("#boot:enabled").waitFor();
  return opened;
};

async function runDemo(page: Page): Promise<void> {
  await boot(page, "Demo");
  await shows(page, DEMO_LAST_WORDS);
  await shows(page, "The guest switched the machine off.");
  await expect.poll(() => state(page)).toBe("Off");
}

describe("the built-in guest", () => {
  test("runs to its end, twice, in a cross-origin isolated page that asks no other host", async () => {
    const { page, errors, hosts } = await ready(playground.open(url));
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await runDemo(page);
    await runDemo(page);
    expect(await screen(page)).toMatch(/^demo: hello from S-mode.*\ndemo: three timer interrupts/);
    expect([...hosts]).toEqual([new URL(url).host]);
    expect(errors).toEqual([]);
  });

  test("runs without cross-origin isolation, and where no Debian is served", async () => {
    const { page } = await ready(
      playground.open(await playground.serve("/nonexistent", { isIsolated: false })),
    );
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    const debian = page.getByRole("option", { name: "Debian 13 (not on this server)" });
    expect(await debian.isDisabled()).toBe(true);
    expect(await page.getByRole("combobox", { name: "Processors" }).isDisabled()).toBe(true);
    await runDemo(page);
  });
});

describe("Debian", () => {
  test("boots to a shell in memory that knows the terminal's size, takes a reset and a stop", async () => {
    const { page, errors } = await ready(playground.open(url));
    await boot(page, "Debian 13: rescue shell");
    await shows(page, /^\[ +\d+\.\d+\] /m, 60_000);
    await page.getByRole("button", { name: "Reset" }).click();
    await shows(page, /^~ #/m, 120_000);
    const type = async (text: string): Promise<void> => {
      await page.keyboard.type(`${text}\n`);
    };
    await type("uname -a");
    await shows(page, `Linux (none) ${guest.version} `);
    await shows(page, "riscv64 GNU/Linux");
    await type(
      'clear; s=$(stty size); echo "$s before"; while [ "$(stty size)" = "$s" ]; do :; done; stty size',
    );
    await shows(page, /^\d+ \d+ before$/m);
    await page.setViewportSize({ width: 700, height: 500 });
    await shows(page, /^\d+ \d+$/m);
    const columns = (pattern: RegExp, text: string): number => Number(pattern.exec(text)?.[1]);
    const sizes = await screen(page);
    expect(columns(/^\d+ (\d+)$/m, sizes)).toBeLessThan(columns(/^\d+ (\d+) before$/m, sizes));

    await type("clear; seq 20000 >/run/numbers; cat /run/numbers; echo that is all");
    await shows(page, /^19999\n20000\nthat is all$/m, 60_000);

    await page.keyboard.press("F6");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("stop");
    await page.keyboard.press("Enter");
    await shows(page, "The machine was stopped.");
    expect(await state(page)).toBe("Off");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("boot");
    expect(errors).toEqual([]);
  }, 300_000);

  test.for(["2", "4"])("boots with %s processors, each in a worker", { timeout: 240_000 }, async (harts) => {
    const { page, errors } = await ready(playground.open(url));
    await page.getByRole("combobox", { name: "Processors" }).selectOption(harts);
    await boot(page, "Debian 13: rescue shell");
    await shows(page, /^~ #/m, 120_000);
    await page.keyboard.type("clear; nproc; grep -c ^processor /proc/cpuinfo; echo done\n");
    await shows(page, new RegExp(`^${harts}\n${harts}\ndone$`, "m"), 30_000);
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(page, "The machine was stopped.");
    expect(errors).toEqual([]);
  });

  test("starts its system from a root disk that is read over HTTP", async () => {
    const { page, errors } = await ready(playground.open(url));
    await boot(page, "Debian 13");
    await shows(page, "Welcome to Debian GNU/Linux 13", 200_000);
    await page.getByRole("button", { name: "Stop" }).click();
    await shows(page, "The machine was stopped.");
    expect(errors).toEqual([]);
  });
});

describe("what goes wrong is said", () => {
  const failing = async (prepare: (page: Page) => Promise<unknown>): Promise<Page> => {
    const { page } = await ready(playground.open(url, { prepare }));
    await boot(page, "Debian 13: rescue shell");
    await page.getByRole("alert").waitFor();
    expect(await state(page)).toBe("Failed");
    return page;
  };

  test("a download that the server refuses", async () => {
    const page = await failing((page) => page.route("**/vmlinux", (route) => route.fulfill({ status: 404 })));
    expect(await alert(page)).toMatch(/The kernel could not be fetched: the server answered 404 .*vmlinux/);
    await page.getByRole("button", { name: "Dismiss the error" }).click();
    expect(await page.getByRole("alert").isVisible()).toBe(false);
    await runDemo(page);
  });

  test("a server that has gone away", async () => {
    const page = await failing((page) => page.route("**/initrd.img", (route) => route.abort()));
    expect(await alert(page)).toMatch(
      /The initial RAM disk could not be fetched: the server does not answer/,
    );
  });

  test("an image that is no kernel", async () => {
    const body = Buffer.alloc(100_000, "not a kernel ");
    const page = await failing((page) => page.route("**/vmlinux", (route) => route.fulfill({ body })));
    expect(await alert(page)).toMatch(/ERR_KERNEL_FORMAT/);
  });

  test("a worker that cannot be loaded, and one that breaks down", async () => {
    const refused = await failing((page) => page.route("**/worker-*.js", (route) => route.abort()));
    expect(await alert(refused)).toMatch(
      /The worker with the machine broke down: its program could not be loaded/,
    );
    const script = {
      headers: { "Cross-Origin-Embedder-Policy": "require-corp" },
      contentType: "text/javascript",
      body: "onmessage = () => { throw new Error('out of luck') }",
    };
    const broken = await failing((page) => page.route("**/worker-*.js", (route) => route.fulfill(script)));
    expect(await alert(broken)).toMatch(/The worker with the machine broke down: .*out of luck/);
  });

  test("a browser without WebAssembly", async () => {
    const { page } = await playground.open(url, {
      prepare: (page) => page.addInitScript("delete globalThis.WebAssembly"),
    });
    await expect.poll(() => alert(page)).toMatch(/no WebAssembly/);
    expect(await page.getByRole("button", { name: "Boot" }).isDisabled()).toBe(true);
  });
});

describe("the page", () => {
  test("follows the system's theme, and keeps the one that was chosen", async () => {
    const { page } = await ready(playground.open(url, { colorScheme: "light" }));
    const background = (): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    const button = page.getByRole("button", { name: "Dark theme" });
    expect(await button.getAttribute("aria-pressed")).toBe("false");
    await button.click();
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await background()).toBe(dark);
    expect(await button.getAttribute("aria-pressed")).toBe("true");
  });

  test("can be worked by keyboard alone", async () => {
    const { page } = await ready(playground.open(url));
    const focused = (): Promise<string | undefined> => page.evaluate(() => document.activeElement?.id);
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("guest");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("harts");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("boot");
    await page.keyboard.press("Enter");
    await shows(page, "The guest switched the machine off.");
    const terminal = page.getByRole("textbox", { name: "Console of the guest; F6 leaves it" });
    expect(await terminal.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.keyboard.press("F6");
    expect(await focused()).toBe("boot");
  });
});
