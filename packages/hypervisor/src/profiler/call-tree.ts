/** Nodes of a tree at most: what does not fit is counted where it leaves what is known. */
const MAX_NODES = 1 << 17;
/** Different frames at most; the rest goes by one name. */
const MAX_FRAMES = 1 << 16;

/** What a frame of a call stack is. */
export interface Frame {
  /** A function's name, or one in brackets for what has none. */
  readonly name: string;
  /** What it is part of. */
  readonly part: "kernel" | "user" | "firmware" | "root";
}

/** A place in the tree: a function as called by those above it. */
export interface CallNode {
  readonly frame: Frame;
  /** Its index in {@link CallTree.nodes}. */
  readonly id: number;
  readonly parent: CallNode | undefined;
  readonly children: Map<Frame, CallNode>;
  /** Samples that ended here, and their milliseconds. */
  samples: number;
  milliseconds: number;
}

const OVERFLOW: Frame = { name: "[more]", part: "root" };

/** Call stacks, merged where they begin alike. Its size is bounded whatever a guest does. */
export class CallTree {
  readonly root: CallNode;
  /** All nodes in order of their making, the root first. */
  readonly nodes: CallNode[] = [];
  readonly #frames = new Map<string, Frame>();

  constructor() {
    this.root = this.#node({ name: "(root)", part: "root" }, undefined);
  }

  /** The frame of that name; the same one each time. */
  frame(name: string, part: Frame["part"]): Frame {
    const key = `${part}\0${name}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    if (this.#frames.size >= MAX_FRAMES) return OVERFLOW;
    const frame = { name, part };
    this.#frames.set(key, frame);
    return frame;
  }

  /** Counts a stack, outermost frame first, and gives back its last node. */
  add(stack: readonly Frame[], milliseconds: number): CallNode {
    let node = this.root;
    for (const frame of stack) {
      const next = node.children.get(frame) ?? this.#child(node, frame);
      if (next === undefined) break;
      node = next;
    }
    node.samples++;
    node.milliseconds += milliseconds;
    return node;
  }

  #child(parent: CallNode, frame: Frame): CallNode | undefined {
    if (this.nodes.length >= MAX_NODES) return undefined;
    const node = this.#node(frame, parent);
    parent.children.set(frame, node);
    return node;
  }

  #node(frame: Frame, parent: CallNode | undefined): CallNode {
    const id = this.nodes.length;
    const node = { frame, id, parent, children: new Map(), samples: 0, milliseconds: 0 };
    this.nodes.push(node);
    return node;
  }
}
