import type { Code, Label } from "@isomorph/wasm";
import { accessGroups, bodyOf, type Segment } from "./access-groups.ts";
import type { DecodedInstruction } from "./code-reader.ts";
import { extensionOf } from "./extensions.ts";
import { emitInlineFloat } from "./float-inline.ts";
import type { FloatRegisters } from "./float-registers.ts";
import type { GroupHost, MemoryAccesses } from "./memory-accesses.ts";
import { emitNarrow, type Narrow, narrowAfter } from "./narrow.ts";
import type { TranslatorSemantics } from "./semantics.ts";
import type { SideExits } from "./side-exits.ts";
import { isCopy, type SignExtended, signExtendedAfter } from "./sign-extended.ts";

/** Emits the instructions of blocks: as they are described, or in a shorter way where enough is known of their operands. */
export class BlockEmitter {
  readonly #code: Code;
  readonly #semantics: TranslatorSemantics;
  readonly #accesses: MemoryAccesses;
  readonly #exits: SideExits;
  readonly #float: FloatRegisters;
  readonly #isPatient: boolean;
  #narrow: Narrow = 0;
  #signExtended: SignExtended = 0;
  /** The segment under way, if its groups were found in the TLB, and the host addresses of these. */
  #segment: Segment | undefined;
  #hosts: readonly GroupHost[] = [];

  /** @param isPatient - Whether accesses that miss the TLB are done here rather than by the interpreter. */
  constructor(
    semantics: TranslatorSemantics,
    accesses: MemoryAccesses,
    exits: SideExits,
    float: FloatRegisters,
    isPatient: boolean,
  ) {
    this.#code = semantics.code;
    this.#semantics = semantics;
    this.#accesses = accesses;
    this.#exits = exits;
    this.#float = float;
    this.#isPatient = isPatient;
  }

  /**
   * Emits the instructions of a block; a transfer at its end is not part of any segment.
   *
   * @param signExtended - What is known of registers at its start.
   * @param checked - All that comes before that transfer, if {@link checkSegment} has seen to its accesses.
   */
  emit(instructions: readonly DecodedInstruction[], signExtended: SignExtended, checked?: Segment): void {
    this.#signExtended = signExtended;
    this.#exits.enter(instructions.length);
    this.#semantics.floatChecked = false;
    this.#narrow = 0;
    const body = bodyOf(instructions);
    if (checked !== undefined) {
      this.#code.scope(() => {
        this.#hosts = checked.groups.map((group) => this.#accesses.locateGroup(group));
        this.#segment = checked;
        this.#emit(instructions, 0, body);
        this.#segment = undefined;
      });
      this.#emit(instructions, body, instructions.length);
      return;
    }
    for (const segment of accessGroups(instructions, body)) {
      if (segment.groups.length === 0) this.#emit(instructions, segment.start, segment.end);
      else this.#code.scope(() => this.#emitGrouped(instructions, segment));
    }
    this.#emit(instructions, body, instructions.length);
  }

  /** Leaves before a block that has been paid for if an access of a segment at its start is not to be done in place. */
  checkSegment(instructions: readonly DecodedInstruction[], { groups }: Segment): void {
    this.#exits.enter(instructions.length);
    const first = instructions[0] as DecodedInstruction;
    this.#code.scope(() => {
      for (const group of groups) this.#accesses.checkGroup(group, first, undefined, undefined);
    });
  }

  #emit(instructions: readonly DecodedInstruction[], start: number, end: number): void {
    for (let index = start; index < end; index++) {
      const current = instructions[index] as DecodedInstruction;
      const access = this.#segment?.grouped.get(index);
      this.#semantics.begin(current, access, access && this.#hosts[access.group]);
      const next = index + 1 < end ? instructions[index + 1] : undefined;
      const extension = extensionOf(current, next);
      if (extension === undefined) this.#code.scope(() => this.#emitOne(current));
      else this.#semantics.setX(extension(this.#semantics));
      this.#follow(current);
      if (extension === undefined) continue;
      this.#follow(next as DecodedInstruction);
      index++;
    }
  }

  /** Keeps what is known behind an instruction. */
  #follow(current: DecodedInstruction): void {
    this.#narrow = narrowAfter(current, this.#narrow);
    this.#signExtended = signExtendedAfter(current, this.#signExtended);
    this.#exits.left--;
  }

  #emitOne(current: DecodedInstruction): void {
    const semantics = this.#semantics;
    // What an inline form leaves to the description is done under a condition.
    if (emitInlineFloat(semantics, this.#float, current)) this.#exits.forget();
    else if (isCopy(current, this.#signExtended)) semantics.setX(semantics.x1());
    else if (!emitNarrow(semantics, current, this.#narrow)) current.instruction.execute(semantics);
  }

  /**
   * Emits a segment with one check for each group. Where a check fails, the interpreter takes over; in a patient region
   * the segment comes again with a check for each access.
   */
  #emitGrouped(instructions: readonly DecodedInstruction[], segment: Segment): void {
    const code = this.#code;
    const { start, end, groups } = segment;
    const emitFast = (failed?: Label): void => {
      const first = instructions[start] as DecodedInstruction;
      this.#hosts = groups.map((group) =>
        this.#accesses.checkGroup(group, first, instructions[group.member], failed),
      );
      this.#segment = segment;
      this.#emit(instructions, start, end);
      this.#segment = undefined;
    };
    if (!this.#isPatient) {
      emitFast();
      return;
    }
    const exits = this.#exits;
    const semantics = this.#semantics;
    const { dirty, left } = exits;
    const narrow = this.#narrow;
    const signExtended = this.#signExtended;
    const { floatChecked } = semantics;
    const float = this.#float.knowledge;
    code.block((done) => {
      code.block((failed) => {
        emitFast(failed);
        code.br(done);
      });
      exits.dirty = dirty;
      exits.left = left;
      this.#narrow = narrow;
      this.#signExtended = signExtended;
      semantics.floatChecked = floatChecked;
      this.#float.restore(float);
      exits.forget();
      this.#emit(instructions, start, end);
    });
    exits.forget();
  }
}
