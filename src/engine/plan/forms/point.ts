/** Evaluates the nodes of an expression at one place (one vector of elements), each at most once. */
import type { KernelBuilder } from '../../kernel/builder.ts'
import type { Value } from '../../kernel/kernel.ts'
import type { Position } from '../../ops/row.ts'
import type { Expression } from '../expression.ts'

export interface PointSource extends Position {
  /** The value of load k here. */
  load(k: number): Value
  /** The value of a node that is known without computing it here: per row, or stored by an earlier phase. */
  known(node: number): Value | undefined
}

export class Point {
  readonly #b: KernelBuilder
  readonly #expression: Expression
  readonly #source: PointSource
  readonly #values = new Map<number, Value>()

  constructor(b: KernelBuilder, expression: Expression, source: PointSource) {
    this.#b = b
    this.#expression = expression
    this.#source = source
  }

  /** The value of an operand: a load, or a node. */
  operand(index: number): Value {
    const loads = this.#expression.loads.length
    return index < loads ? this.#once(index, () => this.#source.load(index)) : this.node(index - loads)
  }

  node(number: number): Value {
    return this.#once(number + this.#expression.loads.length, () => {
      const known = this.#source.known(number)
      if (known) return known
      const { op, attributes, inputs } = this.#expression.nodes[number]!
      const lowering = op.lowering
      if (lowering.kind === 'leaf') return this.#b.constant(attributes['value'] as number)
      if (lowering.kind !== 'elementwise') throw new Error(`${op.name} is not elementwise: it cannot be computed here`)
      return lowering.emit(
        this.#b,
        inputs.map((input) => this.operand(input)),
        attributes,
        this.#source,
      )
    })
  }

  #once(key: number, make: () => Value): Value {
    let value = this.#values.get(key)
    if (!value) {
      value = make()
      this.#values.set(key, value)
    }
    return value
  }
}
