/** Kernels as text, one statement a line, for listings, error messages and snapshots. */
import type { Address, Bound, Kernel, Statement, Value, ValueType } from './kernel.ts'
import { scalarOps } from './scalarOps.ts'

const prefixes: { readonly [T in ValueType]: string } = { int: 'n', f32: 'f', i32: 'i', mask: 'm' }

type Names = ReadonlyMap<number, string>

/** The names of the kernel's parameters; every other value is called by its type's letter and its id. */
function parameterNames(kernel: Kernel): Names {
  const names = new Map<number, string>()
  names.set(kernel.unitBegin.id, 'unitBegin')
  names.set(kernel.unitEnd.id, 'unitEnd')
  names.set(kernel.scratch.id, 'scratch')
  kernel.pointers.forEach((pointer, k) => names.set(pointer.id, `p${k}`))
  return names
}

const nameOf = (names: Names, value: Value): string => names.get(value.id) ?? `${prefixes[value.type]}${value.id}`

function addressText(names: Names, { base, index, scale, offset }: Address): string {
  const indexed = index === undefined ? '' : ` + ${nameOf(names, index)}*${scale}`
  const displaced = offset === 0 ? '' : offset > 0 ? ` + ${offset}` : ` - ${-offset}`
  return `[${nameOf(names, base)}${indexed}${displaced}]`
}

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

const boundText = (names: Names, bound: Bound): string =>
  typeof bound === 'number' ? String(bound) : nameOf(names, bound)

/** The statement's own line; a loop's body is not printed. */
function statementText(names: Names, lanes: number, statement: Statement): string {
  const name = (value: Value): string => nameOf(names, value)
  const partial = (count: number): string => (count === lanes ? '' : ` lanes ${count}`)
  switch (statement.kind) {
    case 'op': {
      const args = statement.args.map((arg) => ` ${name(arg)}`).join('')
      const immediate = 'immediate' in scalarOps[statement.op] ? ` ${numberText(statement.immediate)}` : ''
      return `${name(statement.target)} = ${statement.op}${args}${immediate}`
    }
    case 'load':
      return `${name(statement.target)} = load ${addressText(names, statement.address)}${partial(statement.lanes)}`
    case 'broadcast':
      return `${name(statement.target)} = broadcast ${addressText(names, statement.address)}`
    case 'loadInt':
      return `${name(statement.target)} = loadInt ${addressText(names, statement.address)}`
    case 'store':
      return `store ${addressText(names, statement.address)} = ${name(statement.value)}${partial(statement.lanes)}`
    case 'prefetch':
      return `prefetch ${addressText(names, statement.address)} to ${statement.purpose}`
    case 'assign':
      return `${statement.declare ? 'var ' : ''}${name(statement.variable)} := ${name(statement.value)}`
    case 'for':
      return (
        `for ${name(statement.index)} = ${boundText(names, statement.from)} to ${boundText(names, statement.to)}` +
        ` step ${statement.step}`
      )
  }
}

/** One statement of a kernel on one line, such as `f9 = load [p0 + n8*4] lanes 3`. A loop prints as its heading. */
export function printStatement(kernel: Kernel, statement: Statement): string {
  return statementText(parameterNames(kernel), kernel.lanes, statement)
}

/**
 * The whole kernel: a heading and its loop nest, indented by two spaces a level.
 *
 * Values are named by type and id: `n` int, `f` f32, `i` i32, `m` mask. `var f7 := f3` starts a variable, `f7 := f4`
 * changes it. `lanes 3` marks a partial load or store.
 */
export function printKernel(kernel: Kernel): string {
  const names = parameterNames(kernel)
  const parameters = [kernel.unitBegin, kernel.unitEnd, kernel.scratch, ...kernel.pointers]
  const scratch = kernel.scratchBytes > 0 ? `, ${kernel.scratchBytes} bytes of scratch` : ''
  const lines = [
    `kernel ${kernel.name}(${parameters.map((value) => nameOf(names, value)).join(', ')}): ${kernel.lanes} lanes${scratch}`,
  ]
  const print = (statements: readonly Statement[], indent: string): void => {
    for (const statement of statements) {
      lines.push(indent + statementText(names, kernel.lanes, statement))
      if (statement.kind === 'for') print(statement.body, `${indent}  `)
    }
  }
  print(kernel.body, '  ')
  return `${lines.join('\n')}\n`
}
