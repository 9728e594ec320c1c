/** The page: its controls, its terminal, and the machine in its worker. */
import { Downloads } from "./page/downloads.ts";
import { element } from "./page/elements.ts";
import { missingFeature } from "./page/features.ts";
import { findGuests, type GuestChoice } from "./page/guests.ts";
import { MachineClient } from "./page/machine-client.ts";
import { GuestTerminal } from "./page/terminal.ts";
import { applyTheme, initialTheme, storeTheme, terminalThemes } from "./page/theme.ts";
import type { Failure, WorkerMessage } from "./protocol.ts";

type State = "off" | "loading" | "running" | "stopping" | "failed";

const STATE_NAMES: Readonly<Record<State, string>> = {
  off: "Off",
  loading: "Loading",
  running: "Running",
  stopping: "Stopping",
  failed: "Failed",
};

const controls = element("controls", HTMLFormElement);
const guestList = element("guest", HTMLSelectElement);
const hartList = element("harts", HTMLSelectElement);
const bootButton = element("boot", HTMLButtonElement);
const stopButton = element("stop", HTMLButtonElement);
const resetButton = element("reset", HTMLButtonElement);
const themeButton = element("theme", HTMLButtonElement);
const readerButton = element("reader", HTMLButtonElement);
const description = element("description", HTMLElement);
const failureBox = element("failure", HTMLElement);
const failureText = element("failure-text", HTMLElement);
const speed = element("speed", HTMLElement);
const lamp = element("lamp", HTMLElement);
const stateText = element("state", HTMLElement);
const downloads = new Downloads(element("progress", HTMLElement));

let theme = initialTheme();
let guests: readonly GuestChoice[] = [];
let state: State = "off";
let machine: MachineClient | undefined;
let lastSpeed = { instructions: 0, milliseconds: 0 };

const terminal = new GuestTerminal(element("terminal", HTMLElement), terminalThemes[theme], {
  oninput: (bytes) => machine?.input(bytes),
  onresize: (size) => machine?.resize(size),
  onleave: () => (machine === undefined ? bootButton : stopButton).focus(),
});

const chosenGuest = (): GuestChoice | undefined => guests.find(({ id }) => id === guestList.value);

function show(next: State): void {
  state = next;
  const isOff = state === "off" || state === "failed";
  const guest = chosenGuest();
  lamp.dataset.state = state;
  stateText.textContent = STATE_NAMES[state];
  guestList.disabled = !isOff;
  // Threads share memory on isolated pages only.
  hartList.disabled = !isOff || !crossOriginIsolated;
  bootButton.disabled = !isOff || guest?.images === undefined;
  stopButton.disabled = state !== "loading" && state !== "running";
  resetButton.disabled = state !== "running";
  description.textContent = guest?.description ?? "";
}

function showTheme(): void {
  applyTheme(theme);
  terminal.theme = terminalThemes[theme];
  themeButton.setAttribute("aria-pressed", String(theme === "dark"));
}

function showFailure({ message, code }: Failure): void {
  failureText.textContent = code === undefined ? message : `${message} [${code}]`;
  failureBox.hidden = false;
}

function showSpeed(instructions: number, milliseconds: number): void {
  const elapsed = milliseconds - lastSpeed.milliseconds;
  const rate = elapsed > 0 ? (instructions - lastSpeed.instructions) / elapsed / 1000 : 0;
  lastSpeed = { instructions, milliseconds };
  speed.textContent = `${rate.toFixed(1)} million instructions a second · ${(milliseconds / 1000).toFixed(0)} s`;
}

function boot(): void {
  const guest = chosenGuest();
  if (machine !== undefined || guest?.images === undefined) return;
  failureBox.hidden = true;
  terminal.reset();
  terminal.isLineFeedNewline = guest.images.kind === "demo";
  speed.textContent = "";
  lastSpeed = { instructions: 0, milliseconds: 0 };
  show("loading");
  machine = new MachineClient({ onmessage: receive });
  machine.boot(guest.images, { memory: guest.memory, harts: Number(hartList.value) }, terminal.size);
  terminal.focus();
}

function receive(message: WorkerMessage): void {
  switch (message.type) {
    case "progress":
      downloads.update(message.image, message.loaded, message.total);
      break;
    case "running":
      downloads.clear();
      if (state === "loading") show("running");
      break;
    case "output": {
      const { bytes } = message;
      const shownBy = machine;
      terminal.write(bytes, () => shownBy?.shown(bytes.length));
      break;
    }
    case "speed":
      showSpeed(message.instructions, message.milliseconds);
      break;
    case "ended":
      finish("off");
      terminal.note(message.ending.detail);
      break;
    case "failed":
      finish("failed");
      showFailure(message.failure);
      break;
  }
}

function finish(next: State): void {
  machine = undefined;
  downloads.clear();
  show(next);
  // A button that is switched off loses the focus, at once or with the next frame.
  const { activeElement } = document;
  if (activeElement === null || activeElement.matches("body, :disabled")) bootButton.focus();
}

function listGuests(): void {
  const chosen = guestList.value || "demo";
  guestList.replaceChildren(
    ...guests.map(({ id, label, images }) => {
      const isOffered = images !== undefined;
      const option = new Option(
        isOffered ? label : `${label} (not on this server)`,
        id,
        false,
        id === chosen,
      );
      option.disabled = !isOffered;
      return option;
    }),
  );
}

controls.addEventListener("submit", (event) => {
  event.preventDefault();
  boot();
});
guestList.addEventListener("change", () => show(state));
stopButton.addEventListener("click", () => {
  show("stopping");
  machine?.stop();
});
resetButton.addEventListener("click", () => {
  machine?.reset();
  terminal.focus();
});
themeButton.addEventListener("click", () => {
  theme = theme === "dark" ? "light" : "dark";
  storeTheme(theme);
  showTheme();
});
readerButton.addEventListener("click", () => {
  const isOn = readerButton.getAttribute("aria-pressed") !== "true";
  readerButton.setAttribute("aria-pressed", String(isOn));
  terminal.isReadAloud = isOn;
});
element("dismiss", HTMLButtonElement).addEventListener("click", () => {
  failureBox.hidden = true;
  bootButton.focus();
});

showTheme();
show("off");
const missing = missingFeature();
if (missing !== undefined) {
  show("failed");
  showFailure({ message: missing });
} else {
  guests = await findGuests();
  listGuests();
  show("off");
  terminal.note("A RISC-V machine, in this page. Choose a guest and press Boot.");
}
