import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  debianMirrors,
  parseDeb822Sources,
  parseOneLineSources,
  parseStanzas,
  readHostSources,
} from "../src/guest/apt-sources.ts";

describe("sources.list(5), one-line style", () => {
  it("reads options, comments and several components", () => {
    const text = `
# deb http://commented.example/debian trixie main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://one.example/debian/ bookworm main contrib # trailing
deb-src http://one.example/debian bookworm main
  deb http://two.example/debian	trixie-updates   main
deb http://flat.example/ ./
nonsense
`;
    expect(parseOneLineSources(text)).toEqual([
      {
        uri: "http://one.example/debian/",
        suite: "bookworm",
        components: ["main", "contrib"],
        signedBy: "/usr/share/keyrings/k.gpg",
      },
      { uri: "http://two.example/debian", suite: "trixie-updates", components: ["main"] },
    ]);
  });
});

describe("sources.list(5), deb822 style", () => {
  it("reads every archive of every stanza that is enabled", () => {
    const text = `# a comment
Types: deb deb-src
# a comment inside
URIs: http://one.example/debian http://two.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/k.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main

Types: deb
URIs: http://inline.example/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
`;
    const sources = parseDeb822Sources(text);
    expect(sources.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      "http://one.example/debian bookworm",
      "http://one.example/debian bookworm-updates",
      "http://two.example/debian bookworm",
      "http://two.example/debian bookworm-updates",
      "http://inline.example/debian trixie",
    ]);
    expect(sources[0]?.signedBy).toBe("/usr/share/keyrings/k.gpg");
    expect(sources[4]?.signedBy).toBeUndefined();
  });

  it("keeps continuation lines and ignores what has no name", () => {
    const [fields] = parseStanzas("A: 1\n two\n\tthree\n: nameless\nB:2\n");
    expect([...fields!]).toEqual([
      ["a", "1\n two\n\tthree"],
      ["b", "2"],
    ]);
    expect(parseStanzas("\n\n # only comments\n\n")).toHaveLength(1);
    expect(parseStanzas("")).toEqual([]);
  });
});

describe("mirrors of Debian", () => {
  it("takes the main archive only, once, in the order of the sources", () => {
    const folder = mkdtempSync(join(tmpdir(), "guest-sources-"));
    try {
      mkdirSync(join(folder, "sources.list.d"));
      writeFileSync(join(folder, "sources.list"), "deb http://first.example/debian/ stable main\n");
      const parts: Record<string, string> = {
        "b.list":
          "deb http://second.example/debian trixie main\ndeb http://first.example/debian bookworm main\n",
        "a.sources":
          "Types: deb\nURIs: http://security.example/debian-security\nSuites: trixie-security\nComponents: main\n",
        "c.list":
          "deb http://other.example/ubuntu noble main\ndeb http://vendor.example/apt trixie vendor\ndeb cdrom:[x]/ trixie main\n",
        "d.list.disabled": "deb http://disabled.example/debian trixie main\n",
      };
      for (const [name, text] of Object.entries(parts))
        writeFileSync(join(folder, "sources.list.d", name), text);
      expect(debianMirrors(readHostSources(folder)).map(({ uri }) => uri)).toEqual([
        "http://first.example/debian",
        "http://second.example/debian",
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("finds none where there is no apt", () => {
    expect(debianMirrors(readHostSources("/nonexistent/apt"))).toEqual([]);
  });
});
