/** The built page in a real browser, for tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright";
import { build, type InlineConfig, type PreviewServer, preview } from "vite";

const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Where guests are kept between runs, as the command line keeps them. */
export const cacheDir: string = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "isomorph");

/** The page, built and served, and a browser to open it in. */
export interface Playground {
  readonly browser: Browser;
  /** Serves the build with a guest's folder beside it. Returns the page's address. */
  serve(guest: string, options?: { readonly isIsolated?: boolean }): Promise<string>;
  /** Opens an address in a context of its own. What goes wrong in the page is in `errors`. */
  open(url: string, options?: OpenOptions): Promise<OpenPage>;
  close(): Promise<void>;
}

/** How a page is opened. */
export interface OpenOptions extends BrowserContextOptions {
  /** Runs before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** A page and what was seen of it from outside. */
export interface OpenPage {
  readonly page: Page;
  /** Errors that nobody caught, and errors on the console. */
  readonly errors: string[];
  /** Hosts that were asked for something. */
  readonly hosts: Set<string>;
}

/** Builds the page as `vite build` does, into a folder that `close` removes, and starts Chromium. */
export async function openPlayground(): Promise<Playground> {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const outDir = await mkdtemp(join(tmpdir(), "isomorph-playground-"));
  const config: InlineConfig = { root, configFile: join(root, "vite.config.ts"), logLevel: "warn" };
  await build({ ...config, build: { outDir, emptyOutDir: true } });
  const servers: PreviewServer[] = [];

  return {
    browser,
    async serve(guest, { isIsolated = true } = {}) {
      // The configuration reads it once, when it is loaded.
      process.env.ISOMORPH_GUEST = guest;
      const server = await preview({
        ...config,
        build: { outDir },
        preview: { port: 0, host: "127.0.0.1", ...(isIsolated ? {} : { headers: policies("unsafe-none") }) },
      });
      delete process.env.ISOMORPH_GUEST;
      servers.push(server);
      const url = server.resolvedUrls?.local[0];
      if (url === undefined) throw new Error("the preview server has no address");
      return url;
    },
    async open(url, { prepare, ...options } = {}) {
      const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
      const page = await context.newPage();
      const errors: string[] = [];
      const hosts = new Set<string>();
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error") errors.push(message.text());
      });
      context.on("request", (request) => hosts.add(new URL(request.url()).host));
      await prepare?.(page);
      await page.goto(url);
      return { page, errors, hosts };
    },
    async close() {
      await browser.close();
      await Promise.all(servers.map((server) => server.close()));
      await rm(outDir, { recursive: true, force: true });
    },
  };
}

const policies = (value: string): Record<string, string> => ({
  "Cross-Origin-Opener-Policy": value,
  "Cross-Origin-Embedder-Policy": value,
});

/** The lines that the terminal shows now. */
export async function screen(page: Page): Promise<string> {
  const rows = await page.locator(".xterm-rows > div").allTextContents();
  return rows.map((row) => row.replaceAll("\u00a0", " ").trimEnd()).join("\n");
}

/** Chooses a guest and boots it. */
export async function boot(page: Page, label: string): Promise<void> {
  await page.getByRole("combobox", { name: "Guest" }).selectOption({ label });
  await page.getByRole("button", { name: "Boot" }).click();
}
