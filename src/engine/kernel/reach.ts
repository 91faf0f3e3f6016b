/**
 * Which bytes of its buffers a kernel may touch in given units, found from its statements by arithmetic with intervals.
 * Never too few; too many where the kernel's addresses depend on numbers in memory, or on two that are not independent.
 */
import type { Address, Bound, Kernel, Statement, Value } from './kernel.ts'

/** Bytes [from, to) counted from a pointer; `from` is not below `to` where none are touched. */
export interface Reach {
  readonly from: number
  readonly to: number
}

/** What an int may be: a number of `low` to `high`, added to a pointer or to what a variable held at a loop's start. */
interface Span {
  /** Id of that pointer or variable; `none` for a mere number, `lost` for what may be anything. */
  readonly base: number
  readonly low: number
  readonly high: number
}

/** Loops of at most so many turns are gone through turn by turn, as those over panels are; */
const fewTurns = 4
/** and as many turns in all. */
const turnsOneByOne = 256

const none = -1
const lost = -2
const anything: Span = { base: lost, low: -Infinity, high: Infinity }
const unknownNumber: Span = { base: none, low: -Infinity, high: Infinity }

/** By pointer, what units [unitBegin, unitEnd) read or write at most. */
export function reachOf(kernel: Kernel, unitBegin: number, unitEnd: number): readonly Reach[] {
  const ofKernel = found.get(kernel) ?? new Map<string, readonly Reach[]>()
  found.set(kernel, ofKernel)
  const units = `${unitBegin} ${unitEnd}`
  const reach = ofKernel.get(units) ?? new ReachFinder(kernel).find(unitBegin, unitEnd)
  ofKernel.set(units, reach)
  return reach
}

/** Many launches of several programs do the same units of a kernel, which never changes. */
const found = new WeakMap<Kernel, Map<string, readonly Reach[]>>()

class ReachFinder {
  readonly #kernel: Kernel
  readonly #spans: Span[] = []
  /** By pointer. */
  readonly #reach: { from: number; to: number }[]
  readonly #pointerOf: ReadonlyMap<number, number>
  #recording = true
  #turnsLeft = turnsOneByOne

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#reach = kernel.pointers.map(() => ({ from: Infinity, to: -Infinity }))
    this.#pointerOf = new Map(kernel.pointers.map((pointer, k) => [pointer.id, k]))
  }

  find(unitBegin: number, unitEnd: number): readonly Reach[] {
    const { kernel, spans } = { kernel: this.#kernel, spans: this.#spans }
    spans[kernel.unitBegin.id] = exactly(unitBegin)
    spans[kernel.unitEnd.id] = exactly(unitEnd)
    for (const { id } of [kernel.scratch, ...kernel.pointers]) spans[id] = { base: id, low: 0, high: 0 }
    if (unitBegin < unitEnd) this.#run(kernel.body)
    return this.#reach
  }

  #run(statements: readonly Statement[]): void {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'op':
          if (statement.target.type === 'int') this.#spans[statement.target.id] = this.#op(statement)
          break
        case 'load':
        case 'store':
          this.#touch(statement.address, statement.lanes)
          break
        case 'broadcast':
          this.#touch(statement.address, 1)
          break
        case 'loadInt':
          this.#touch(statement.address, 1)
          this.#spans[statement.target.id] = unknownNumber
          break
        case 'assign':
          if (statement.variable.type === 'int') this.#spans[statement.variable.id] = this.#span(statement.value)
          break
        case 'for':
          this.#loop(statement)
      }
    }
  }

  #op({ op, args, immediate }: Statement & { kind: 'op' }): Span {
    const [a = anything, b = anything] = args.map((arg) => this.#span(arg))
    switch (op) {
      case 'intConstant':
        return exactly(immediate)
      case 'intAdd':
        return plus(a, b)
      case 'intAddImmediate':
        return plus(a, exactly(immediate))
      case 'intSub':
        return minus(a, b)
      case 'intMul':
        return times(a, b)
      case 'intMulImmediate':
        return times(a, exactly(immediate))
      case 'intDivImmediate':
        return quotient(a, immediate)
      case 'intModImmediate':
        return remainder(a, immediate)
      case 'intMin':
        return either(a, b, Math.min)
      case 'intMax':
        return either(a, b, Math.max)
      default:
        return anything
    }
  }

  /**
   * The body for each of a few values of the index, or once for all values together; then what it adds to variables is
   * added up beforehand.
   */
  #loop({ index, from, to, step, body }: Statement & { kind: 'for' }): void {
    const [first, end] = [this.#bound(from), this.#bound(to)]
    const known = first.base === none && end.base === none
    if (known && first.low >= end.high) return
    const turns = known ? Math.ceil((end.high - first.low) / step) : Infinity
    const isExact = known && first.low === first.high && end.low === end.high
    if (isExact && turns <= Math.min(fewTurns, this.#turnsLeft)) {
      this.#turnsLeft -= turns
      for (let at = first.low; at < end.high; at += step) {
        this.#spans[index.id] = exactly(at)
        this.#run(body)
      }
      return
    }
    const last = first.low === first.high ? first.low + (turns - 1) * step : end.high - 1
    this.#spans[index.id] = known ? { base: none, low: first.low, high: last } : unknownNumber
    const carried = carriedVariables(body)
    if (carried.length === 0) return this.#run(body)
    const before = carried.map((variable) => this.#spans[variable.id] ?? anything)
    const grown = this.#growth(carried, body)
    for (const [k, variable] of carried.entries()) this.#spans[variable.id] = grow(before[k]!, grown[k]!, turns - 1)
    this.#run(body)
    for (const [k, variable] of carried.entries()) this.#spans[variable.id] = grow(before[k]!, grown[k]!, turns)
  }

  /** What one turn of a loop adds to each variable; undefined where it does something else to it. */
  #growth(carried: readonly Value[], body: readonly Statement[]): readonly (Span | undefined)[] {
    const recording = this.#recording
    this.#recording = false
    for (const { id } of carried) this.#spans[id] = { base: id, low: 0, high: 0 }
    this.#run(body)
    this.#recording = recording
    return carried.map(({ id }) => {
      const after = this.#spans[id]!
      return after.base === id ? after : undefined
    })
  }

  #touch({ base, index, scale, offset }: Address, lanes: number): void {
    if (!this.#recording) return
    const scaled = index === undefined ? exactly(0) : times(this.#span(index), exactly(scale))
    const at = plus(this.#span(base), scaled)
    const pointer = this.#pointerOf.get(at.base)
    const from = at.low + offset
    const to = at.high + offset + 4 * lanes
    if (pointer !== undefined) widen(this.#reach[pointer]!, from, to)
    else if (at.base !== this.#kernel.scratch.id) for (const reach of this.#reach) widen(reach, -Infinity, Infinity)
  }

  #span(value: Value): Span {
    return this.#spans[value.id] ?? anything
  }
  #bound(bound: Bound): Span {
    return typeof bound === 'number' ? exactly(bound) : this.#span(bound)
  }
}

/** Int variables that a loop's body changes and did not start itself. */
function carriedVariables(body: readonly Statement[]): readonly Value[] {
  const own = new Set<number>()
  const changed = new Map<number, Value>()
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === 'for') visit(statement.body)
      if (statement.kind !== 'assign' || statement.variable.type !== 'int') continue
      if (statement.declare) own.add(statement.variable.id)
      else changed.set(statement.variable.id, statement.variable)
    }
  }
  visit(body)
  return [...changed.values()].filter(({ id }) => !own.has(id))
}

function widen(reach: { from: number; to: number }, from: number, to: number): void {
  reach.from = Math.min(reach.from, from)
  reach.to = Math.max(reach.to, to)
}

function exactly(value: number): Span {
  return { base: none, low: value, high: value }
}

/** A variable after 0 to `turns` turns that add `growth` each. */
function grow(before: Span, growth: Span | undefined, turns: number): Span {
  if (growth === undefined) return anything
  const [low, high] = [Math.min(0, product(turns, growth.low)), Math.max(0, product(turns, growth.high))]
  return { base: before.base, low: before.low + low, high: before.high + high }
}

function plus(a: Span, b: Span): Span {
  if (a.base !== none && b.base !== none) return anything
  return { base: a.base === none ? b.base : a.base, low: a.low + b.low, high: a.high + b.high }
}

function minus(a: Span, b: Span): Span {
  const base = b.base === none ? a.base : a.base === b.base && a.base !== lost ? none : lost
  return { base, low: a.low - b.high, high: a.high - b.low }
}

function times(a: Span, b: Span): Span {
  if (a.base !== none || b.base !== none) return anything
  const ends = [product(a.low, b.low), product(a.low, b.high), product(a.high, b.low), product(a.high, b.high)]
  return { base: none, low: Math.min(...ends), high: Math.max(...ends) }
}

function quotient(a: Span, divisor: number): Span {
  if (a.base !== none) return anything
  return { base: none, low: Math.floor(Math.max(0, a.low) / divisor), high: Math.floor(a.high / divisor) }
}

function remainder(a: Span, divisor: number): Span {
  if (a.base !== none) return anything
  const sameQuotient = a.low >= 0 && Math.floor(a.low / divisor) === Math.floor(a.high / divisor)
  if (!sameQuotient || a.high === Infinity) return { base: none, low: 0, high: divisor - 1 }
  return { base: none, low: a.low % divisor, high: a.high % divisor }
}

function either(a: Span, b: Span, choose: (x: number, y: number) => number): Span {
  if (a.base !== b.base || a.base === lost) return anything
  return { base: a.base, low: choose(a.low, b.low), high: choose(a.high, b.high) }
}

/** A product in which nothing times infinity is nothing. */
function product(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b
}
