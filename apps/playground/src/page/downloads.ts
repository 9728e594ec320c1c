interface Row {
  readonly bar: HTMLProgressElement;
  readonly amount: HTMLSpanElement;
}

const MEBIBYTE = 1 << 20;

/** The bars that show how downloads go on. */
export class Downloads {
  readonly #element: HTMLElement;
  readonly #rows = new Map<string, Row>();

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Shows bytes so far of one image; `total` is 0 while it is not known. */
  update(image: string, loaded: number, total: number): void {
    const { bar, amount } = this.#row(image);
    if (total > 0) {
      bar.max = total;
      bar.value = loaded;
    }
    const size = (loaded / MEBIBYTE).toFixed(1);
    amount.textContent = total > 0 ? `${size} of ${(total / MEBIBYTE).toFixed(1)} MiB` : `${size} MiB`;
    this.#element.hidden = false;
  }

  clear(): void {
    this.#element.hidden = true;
    this.#element.replaceChildren();
    this.#rows.clear();
  }

  #row(image: string): Row {
    const known = this.#rows.get(image);
    if (known !== undefined) return known;
    const label = document.createElement("label");
    const bar = document.createElement("progress");
    const amount = document.createElement("span");
    const name = `${image[0]?.toUpperCase() ?? ""}${image.slice(1)}`;
    label.append(name, amount, bar);
    this.#element.append(label);
    const row = { bar, amount };
    this.#rows.set(image, row);
    return row;
  }
}
