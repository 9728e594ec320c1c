import { AssemblyError } from "./error.ts";
import { type Expression, low12, pcrelHigh20 } from "./expression.ts";
import { type Operand, toExpression } from "./operand.ts";

/** A statement: a name and its operands. */
export type Statement = readonly [name: string, ...operands: Operand[]];

type Expansion = (...operands: Operand[]) => readonly Statement[];

/** One instruction that takes some of the operands; `$1` is the first. */
function alias(name: string, ...operands: readonly (string | number)[]): Expansion {
  return (...given) => [
    [
      name,
      ...operands.map((operand) =>
        typeof operand === "string" && operand.startsWith("$")
          ? (given[Number(operand[1]) - 1] as Operand)
          : operand,
      ),
    ],
  ];
}

/** The two halves of a distance from the first of two instructions. */
function pcrel(target: Operand): readonly [high: Expression, low: Expression] {
  const { source, evaluate } = toExpression(target);
  return [
    { source, evaluate: (scope) => pcrelHigh20(evaluate(scope), scope.here, source) },
    { source, evaluate: (scope) => low12(evaluate(scope) - (scope.here - 4n)) },
  ];
}

function loadAddress(register: Operand, target: Operand): readonly Statement[] {
  const [high, low] = pcrel(target);
  return [
    ["auipc", register, high],
    ["addi", register, register, low],
  ];
}

function farJump(link: string, scratch: string): Expansion {
  return (target) => {
    if (target === undefined) throw new AssemblyError("a call without a target", "call");
    const [high, low] = pcrel(target);
    return [
      ["auipc", scratch, high],
      ["jalr", link, low, scratch],
    ];
  };
}

/** Pseudo-instructions by name and number of operands (RISC-V assembly programmer's manual, section "Pseudoinstructions"). */
const EXPANSIONS: Readonly<Record<string, Expansion>> = {
  "nop/0": alias("addi", "zero", "zero", 0),
  "la/2": loadAddress as Expansion,
  "lla/2": loadAddress as Expansion,
  "mv/2": alias("addi", "$1", "$2", 0),
  "not/2": alias("xori", "$1", "$2", -1),
  "neg/2": alias("sub", "$1", "zero", "$2"),
  "negw/2": alias("subw", "$1", "zero", "$2"),
  "sext.w/2": alias("addiw", "$1", "$2", 0),
  "zext.b/2": alias("andi", "$1", "$2", 255),
  "zext.w/2": alias("add.uw", "$1", "$2", "zero"),
  "seqz/2": alias("sltiu", "$1", "$2", 1),
  "snez/2": alias("sltu", "$1", "zero", "$2"),
  "sltz/2": alias("slt", "$1", "$2", "zero"),
  "sgtz/2": alias("slt", "$1", "zero", "$2"),
  "beqz/2": alias("beq", "$1", "zero", "$2"),
  "bnez/2": alias("bne", "$1", "zero", "$2"),
  "blez/2": alias("bge", "zero", "$1", "$2"),
  "bgez/2": alias("bge", "$1", "zero", "$2"),
  "bltz/2": alias("blt", "$1", "zero", "$2"),
  "bgtz/2": alias("blt", "zero", "$1", "$2"),
  "bgt/3": alias("blt", "$2", "$1", "$3"),
  "ble/3": alias("bge", "$2", "$1", "$3"),
  "bgtu/3": alias("bltu", "$2", "$1", "$3"),
  "bleu/3": alias("bgeu", "$2", "$1", "$3"),
  "j/1": alias("jal", "zero", "$1"),
  "jal/1": alias("jal", "ra", "$1"),
  "jr/1": alias("jalr", "zero", 0, "$1"),
  "jalr/1": alias("jalr", "ra", 0, "$1"),
  "ret/0": alias("jalr", "zero", 0, "ra"),
  "call/1": farJump("ra", "ra"),
  "tail/1": farJump("zero", "t1"),
  "csrr/2": alias("csrrs", "$1", "$2", "zero"),
  "csrw/2": alias("csrrw", "zero", "$1", "$2"),
  "csrs/2": alias("csrrs", "zero", "$1", "$2"),
  "csrc/2": alias("csrrc", "zero", "$1", "$2"),
  "csrwi/2": alias("csrrwi", "zero", "$1", "$2"),
  "csrsi/2": alias("csrrsi", "zero", "$1", "$2"),
  "csrci/2": alias("csrrci", "zero", "$1", "$2"),
  "rdinstret/1": alias("csrrs", "$1", "instret", "zero"),
  "rdcycle/1": alias("csrrs", "$1", "cycle", "zero"),
  "rdtime/1": alias("csrrs", "$1", "time", "zero"),
  "frcsr/1": alias("csrrs", "$1", "fcsr", "zero"),
  "fscsr/1": alias("csrrw", "zero", "fcsr", "$1"),
  "frrm/1": alias("csrrs", "$1", "frm", "zero"),
  "fsrm/1": alias("csrrw", "zero", "frm", "$1"),
  "frflags/1": alias("csrrs", "$1", "fflags", "zero"),
  "fsflags/1": alias("csrrw", "zero", "fflags", "$1"),
  "fmv.s/2": alias("fsgnj.s", "$1", "$2", "$2"),
  "fabs.s/2": alias("fsgnjx.s", "$1", "$2", "$2"),
  "fneg.s/2": alias("fsgnjn.s", "$1", "$2", "$2"),
  "fmv.d/2": alias("fsgnj.d", "$1", "$2", "$2"),
  "fabs.d/2": alias("fsgnjx.d", "$1", "$2", "$2"),
  "fneg.d/2": alias("fsgnjn.d", "$1", "$2", "$2"),
  "fence/0": alias("fence", "iorw", "iorw"),
  "pause/0": alias("fence", "w", 0),
  "ntl.p1/0": alias("add", "zero", "zero", "sp"),
  "ntl.pall/0": alias("add", "zero", "zero", "gp"),
  "ntl.s1/0": alias("add", "zero", "zero", "tp"),
  "ntl.all/0": alias("add", "zero", "zero", "t0"),
  "unimp/0": alias("csrrw", "zero", "cycle", "zero"),
  "sfence.vma/0": alias("sfence.vma", "zero", "zero"),
  "sfence.vma/1": alias("sfence.vma", "$1", "zero"),
  "c.nop/0": alias("c.nop", 0),
};

/** The instructions that a pseudo-instruction with these operands stands for; undefined when it is none. */
export function expandPseudo(name: string, operands: readonly Operand[]): readonly Statement[] | undefined {
  return EXPANSIONS[`${name}/${operands.length}`]?.(...operands);
}
