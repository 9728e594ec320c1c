export class Translator {
  constructor(_: unknown) {}
  translate(_host: number): void {}
  codeWritten(_ramOffset: number, _length: number): void {}
  counters(): Record<string, number> {
    return {};
  }
  close(): void {}
}
