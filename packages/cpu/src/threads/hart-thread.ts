import { MachineMemory, PAGE_SIZE, pageNumber } from "@isomorph/mmu";
import { type CoreExports, type CoreImports, coreModule } from "../core/core-module.ts";
import { CoreHart } from "../core/hart.ts";
import type { Hart } from "../processor.ts";
import { State } from "../state.ts";
import { codeMap } from "../translator/code-map.ts";
import type { EarlyTranslationOptions } from "../translator/early-translation.ts";
import { KnownCode } from "../translator/known-code.ts";
import { Translator } from "../translator/translator.ts";
import { Interrupt } from "../trap/causes.ts";
import { CallClient } from "./calls.ts";
import { channelsOf, type HartChannel } from "./channel.ts";
import { Activity, CallKind, Mail, Mailbox, STATISTICS } from "./layout.ts";
import { HART_STATISTICS } from "./processor-threads.ts";
import { LINE_CAUSES } from "./remote-hart.ts";
import type { ProcessorShare } from "./share.ts";
import { announceCodeWrite, SharedCodePages } from "./shared-code-pages.ts";

/** A hart in its own thread: it executes here, on memory that it shares with the other harts and the devices. */
export class HartThread {
  readonly hart: Hart;
  /** Channels of all harts. */
  readonly channels: readonly HartChannel[];
  readonly #channel: HartChannel;
  readonly #calls: CallClient;
  readonly #core: CoreExports;
  readonly #coreHart: CoreHart;
  readonly #translator: Translator;
  readonly #codePages: SharedCodePages;
  readonly #memory: MachineMemory;
  readonly #state: number;
  readonly #view: DataView;
  readonly #statistics: Float64Array;
  readonly #serve: (mail: number) => void = (mail) => this.#serveMail(mail);

  /** @param time - What `time` reads. */
  constructor(share: ProcessorShare, id: number, time: () => number) {
    const { blocks: harts, expansionTable, firmware } = share;
    const memory = new MachineMemory({ ...share.layout, shared: share.memories });
    this.#memory = memory;
    const { codeHolders: holders } = memory;
    if (holders === undefined) throw new TypeError("the memory is not shared");
    const { buffer } = memory.memories.memory;
    const state = harts.start + id * harts.stride;
    this.#state = state;
    this.#view = new DataView(buffer);
    this.#statistics = new Float64Array(buffer, state + STATISTICS.START, STATISTICS.COUNT);
    this.channels = channelsOf(share);
    const channel = this.channels[id] as HartChannel;
    this.#channel = channel;
    const calls = new CallClient(memory.memories.memory, state, channel);
    this.#calls = calls;
    const regions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
    /** After a call of the thread with the devices, in the middle of an instruction. */
    const answered = <T>(value: T): T => {
      channel.takeMail(this.#serve);
      return value;
    };
    const imports: CoreImports = {
      ...memory.memories,
      regions,
      mmioCovers: () => 1,
      mmioRead: (gpa, size) => Number(answered(calls.read(CallKind.READ, gpa, size))),
      mmioWrite: (gpa, size, value) => answered(calls.write(CallKind.WRITE, gpa, size, BigInt(value))),
      mmioRead64: (gpa) => answered(calls.read(CallKind.READ64, gpa, 8)),
      mmioWrite64: (gpa, value) => answered(calls.write(CallKind.WRITE64, gpa, 8, BigInt.asUintN(64, value))),
      codeWritten: (offset, length) => {
        const ramOffset = memory.host.toNumber(offset);
        this.#translator.codeWritten(ramOffset, length);
        announceCodeWrite(holders, this.channels, ramOffset, length, id);
      },
      time,
      see: (host) => this.#translator.see(memory.host.toNumber(host)),
      mail: () => channel.takeMail(this.#serve),
    };
    const map = codeMap(
      share.codeMaps[id] as number,
      memory.size,
      memory.ramOffset,
      share.translationThreshold,
    );
    // The module has the place of the hart's code map as a constant.
    const module = new WebAssembly.Module(
      coreModule({
        memory,
        harts,
        expansionTable,
        codeMap: map,
        translationThreshold: share.translationThreshold,
        seesPages: share.translations !== undefined,
      }),
    );
    const instance = new WebAssembly.Instance(module, { env: imports });
    const core = instance.exports as unknown as CoreExports;
    this.#core = core;
    this.#codePages = new SharedCodePages({
      holders,
      firstPage: pageNumber(memory.ramOffset),
      channels: this.channels,
      hart: id,
      strip: () => core.stripCodePages(state),
    });
    this.#translator = new Translator({
      memory,
      codeMap: map,
      harts: { start: state, stride: harts.stride, count: 1 },
      regions,
      core,
      expansionTable,
      codePages: this.#codePages,
      early: earlyTranslation(share, id),
    });
    this.#coreHart = new CoreHart({
      id,
      state,
      memory,
      firmware,
      core: { ...core, run: (at) => this.#execute(at) },
      translator: this.#translator,
    });
    this.hart = this.#coreHart;
  }

  /** Executes guest code. Outside of this the others need not wait for the hart: see `HartChannel`. */
  #execute(state: number): void {
    const channel = this.#channel;
    channel.write(Mailbox.ACTIVITY, Activity.RUNNING);
    channel.takeMail(this.#serve);
    this.#core.run(state);
    channel.stand(Activity.QUIET);
  }

  /** Serves what is in the mail, outside of `run`. */
  takeMail(): void {
    this.#channel.takeMail(this.#serve);
  }

  /** Drops all translations: nobody need be told of what this hart does not hold. */
  forgetCode(): void {
    this.#translator.close();
    this.#codePages.releaseAll();
  }

  /** Has the thread with the devices serve the hart's call to the firmware. */
  callFirmware(): void {
    this.#calls.write(CallKind.FIRMWARE, 0, 0, 0n);
  }
  /** Tells it that the hart traps without end. */
  reportTrapLoop(): void {
    this.#calls.write(CallKind.TRAP_LOOP, 0, 0, 0n);
  }

  /** Makes counters known to the thread with the devices; `own` are the scheduler's. */
  publish(own: readonly number[]): void {
    for (let i = 0; i < HART_STATISTICS; i++) this.#statistics[i] = own[i] ?? 0;
    let at = HART_STATISTICS;
    for (const counters of [this.#coreHart.counters(), this.#translator.counters()]) {
      for (const name in counters) this.#statistics[at++] = counters[name] as number;
    }
  }

  #serveMail(mail: number): void {
    if (mail & Mail.SOFTWARE_INTERRUPT) this.#coreHart.setInterrupt(Interrupt.SUPERVISOR_SOFTWARE, true);
    if (mail & Mail.LINES) this.#followLines();
    if (mail & Mail.FENCE_VMA) this.#core.flushAll(this.#state);
    if (mail & Mail.PROTECT_CODE) this.#core.stripCodePages(this.#state);
    if (mail & Mail.CODE_WRITTEN) {
      const first = pageNumber(this.#memory.ramOffset);
      this.#codePages.dropStale((page) =>
        this.#translator.codeWritten((page - first) * PAGE_SIZE, PAGE_SIZE),
      );
    }
    if (mail & Mail.EXIT) this.#coreHart.requestExit();
  }

  #followLines(): void {
    const lines = this.#channel.read(Mailbox.LINES);
    const changed = lines ^ this.#view.getUint32(this.#state + State.LINES, true);
    for (const cause of LINE_CAUSES) {
      if ((changed >>> cause) & 1) this.#coreHart.setInterrupt(cause, ((lines >>> cause) & 1) !== 0);
    }
  }
}

function earlyTranslation(
  { translations, translationThreshold }: ProcessorShare,
  hart: number,
): EarlyTranslationOptions | undefined {
  const log = translations?.logs[hart];
  if (translations === undefined || log === undefined) return undefined;
  const { known, isReview } = translations;
  return { known: KnownCode.read(known), isReview, log, translationThreshold };
}
