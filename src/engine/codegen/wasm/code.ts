/**
 * Writes one function's body. What is written with it reads like WebAssembly text: operands are pushed, instructions pop
 * them, blocks nest.
 */
import { appendSigned, appendUnsigned, unsigned } from './leb128.ts'
import {
  memoryInstructions,
  plainInstructions,
  structured,
  type MemoryInstructionName,
  type PlainInstruction,
} from './instructions.ts'

export type WasmType = 'i32' | 'v128'

export const typeCodes = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const

/** A local variable: its index in the function. */
export interface Local {
  readonly index: number
  readonly type: WasmType
}

/** A block or loop that can be branched to, from inside it. */
export interface Label {
  readonly depth: number
}

const NO_RESULT = 0x40

export class Code {
  readonly parameters: readonly Local[]
  readonly #bytes: number[] = []
  readonly #locals: WasmType[] = []
  #depth = 0

  constructor(parameters: readonly WasmType[]) {
    this.parameters = parameters.map((type, index) => ({ index, type }))
  }

  local(type: WasmType): Local {
    this.#locals.push(type)
    return { index: this.parameters.length + this.#locals.length - 1, type }
  }

  get(local: Local): this {
    return this.#indexed(structured.localGet, local.index)
  }
  set(local: Local): this {
    return this.#indexed(structured.localSet, local.index)
  }
  /** Stores the top of the stack and leaves it there. */
  tee(local: Local): this {
    return this.#indexed(structured.localTee, local.index)
  }

  op(name: PlainInstruction): this {
    return this.#emit(plainInstructions[name])
  }
  /** A memory access at (popped address) + `offset` bytes; 0 <= offset < 2^32. */
  access(name: MemoryInstructionName, offset = 0, lane?: number): this {
    const { code, alignment } = memoryInstructions[name]
    this.#emit(code)
    this.#bytes.push(alignment)
    appendUnsigned(this.#bytes, offset)
    if (lane !== undefined) this.#bytes.push(lane)
    return this
  }

  i32(value: number): this {
    this.#bytes.push(structured.i32Const)
    appendSigned(this.#bytes, value | 0)
    return this
  }
  i64(value: number): this {
    this.#bytes.push(structured.i64Const)
    appendSigned(this.#bytes, value)
    return this
  }
  /** A constant of four 32-bit lanes. */
  v128(lanes: readonly [number, number, number, number]): this {
    return this.#emit(structured.v128Const).#emit(new Uint8Array(Int32Array.from(lanes).buffer))
  }
  /** 32-bit lanes picked from two popped vectors: 0 to 3 from the first, 4 to 7 from the second. */
  shuffle(lanes: readonly [number, number, number, number]): this {
    return this.#emit(structured.shuffle).#emit(lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)))
  }

  /** Branching to a block's label leaves it. */
  block(body: (exit: Label) => void): this {
    return this.#nest(structured.block, body)
  }
  /** Branching to a loop's label starts its next round. */
  loop(body: (again: Label) => void): this {
    return this.#nest(structured.loop, body)
  }
  /** Runs `then` where the popped i32 is not zero. */
  if(then: () => void, otherwise?: () => void): this {
    return this.#nest(structured.if, () => {
      then()
      if (otherwise === undefined) return
      this.#bytes.push(structured.else)
      otherwise()
    })
  }
  branch(label: Label): this {
    return this.#indexed(structured.branch, this.#depth - label.depth)
  }
  branchIf(label: Label): this {
    return this.#indexed(structured.branchIf, this.#depth - label.depth)
  }
  call(functionIndex: number): this {
    return this.#indexed(structured.call, functionIndex)
  }
  /** Calls through table 0 the function whose index is popped. */
  callIndirect(typeIndex: number): this {
    return this.#indexed(structured.callIndirect, typeIndex).#emit([0])
  }

  /** The body as the code section wants it: local declarations, instructions, end. */
  finish(): readonly number[] {
    const groups: { type: WasmType; count: number }[] = []
    for (const type of this.#locals) {
      const last = groups.at(-1)
      if (last?.type === type) last.count++
      else groups.push({ type, count: 1 })
    }
    const declarations = groups.flatMap(({ type, count }) => [...unsigned(count), typeCodes[type]])
    return unsigned(groups.length).concat(declarations, this.#bytes, structured.end)
  }

  #nest(opcode: number, body: (label: Label) => void): this {
    this.#bytes.push(opcode, NO_RESULT)
    this.#depth++
    body({ depth: this.#depth })
    this.#depth--
    return this.#emit([structured.end])
  }

  #indexed(opcode: number, index: number): this {
    this.#bytes.push(opcode)
    appendUnsigned(this.#bytes, index)
    return this
  }

  #emit(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }
}
