import type { ITheme } from "@xterm/xterm";

/** The page's colours: dark or light. */
export type ThemeName = "dark" | "light";

const STORAGE_KEY = "isomorph-theme";

/** The terminal's colours. The background is the panel's, in style.css. */
export const terminalThemes: Readonly<Record<ThemeName, ITheme>> = {
  dark: {
    background: "#11151c",
    foreground: "#dfe5ee",
    cursor: "#5ad1b0",
    cursorAccent: "#11151c",
    selectionBackground: "#2f4a5a",
    scrollbarSliderBackground: "#8d98a933",
    scrollbarSliderHoverBackground: "#8d98a955",
    scrollbarSliderActiveBackground: "#8d98a977",
    black: "#3b4452",
    red: "#ff8f85",
    green: "#7fd88f",
    yellow: "#f0b955",
    blue: "#7cb4ff",
    magenta: "#d3a4ff",
    cyan: "#5ad1d8",
    white: "#dfe5ee",
    brightBlack: "#6d798b",
    brightRed: "#ffb0a8",
    brightGreen: "#a3e8ae",
    brightYellow: "#ffd58a",
    brightBlue: "#a6ccff",
    brightMagenta: "#e3c4ff",
    brightCyan: "#8ee6eb",
    brightWhite: "#ffffff",
  },
  light: {
    background: "#ffffff",
    foreground: "#1a2029",
    cursor: "#0b7a5f",
    cursorAccent: "#ffffff",
    selectionBackground: "#bfe3d8",
    scrollbarSliderBackground: "#59637333",
    scrollbarSliderHoverBackground: "#59637355",
    scrollbarSliderActiveBackground: "#59637377",
    black: "#1a2029",
    red: "#b3261e",
    green: "#1b7a34",
    yellow: "#8a5a00",
    blue: "#1558b8",
    magenta: "#8a3ab9",
    cyan: "#0b7285",
    white: "#6b7584",
    brightBlack: "#596373",
    brightRed: "#d0352b",
    brightGreen: "#259145",
    brightYellow: "#a36c00",
    brightBlue: "#2a6fd6",
    brightMagenta: "#a154d0",
    brightCyan: "#12879c",
    brightWhite: "#1a2029",
  },
};

/** The theme that was chosen here before; else the one that the system is set to. */
export function initialTheme(): ThemeName {
  const stored = readStored();
  if (stored === "dark" || stored === "light") return stored;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** Applies a theme to the page. The terminal has colours of its own. */
export function applyTheme(theme: ThemeName): void {
  document.documentElement.dataset.theme = theme;
}

/** Keeps a choice for the next visit, where the browser lets the page. */
export function storeTheme(theme: ThemeName): void {
  try {
    localStorage.setItem(STORAGE_KEY, theme);
  } catch {
    // Storage is switched off for this page: the choice lasts as long as the page.
  }
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
