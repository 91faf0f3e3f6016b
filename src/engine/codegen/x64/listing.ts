/** A kernel's code for people: each statement, and under it the instructions that it became. */
import type { Kernel } from '../../kernel/kernel.ts'
import { printStatement } from '../../kernel/print.ts'
import { compileTraced, type Trace } from './compile.ts'
import type { VectorFeatures } from './constants.ts'
import { registerNames } from './general.ts'
import type { Instruction, VirtualMemory } from './instruction.ts'

/**
 * One line per instruction: its offset and bytes in hexadecimal, its name, and its registers (target first), under the
 * kernel statement that it came from. The heading says how many values had to be kept on the stack.
 */
export function listKernel(kernel: Kernel, features: VectorFeatures): string {
  const { compiled, trace } = compileTraced(kernel, features)
  const { general, vector, mask } = compiled.spills
  const lines = [
    `kernel ${kernel.name}: ${compiled.codeBytes} bytes of code, ${compiled.bytes.length} with constants; ` +
      `on the stack: ${general} ints, ${vector} vectors, ${mask} masks`,
  ]
  const bytes = (from: number, to: number, name: string): void => {
    const hex = Buffer.from(compiled.bytes.subarray(from, to)).toString('hex')
    if (hex !== '') lines.push(`  ${from.toString(16).padStart(5, '0')}  ${hex.padEnd(24)}  ${name}`)
  }
  bytes(0, trace.starts[0]!, 'enter')
  let last = -1
  trace.instructions.forEach((each, k) => {
    const { statement } = each
    if (statement >= 0 && statement !== last) {
      lines.push(heading(kernel, trace, each, statement < last))
      last = statement
    }
    bytes(trace.starts[k]!, trace.starts[k + 1]!, text(each, trace, features))
  })
  bytes(trace.starts.at(-1)!, compiled.codeBytes, 'leave')
  return `${lines.join('\n')}\n`
}

/** A loop is met again at its end. */
function heading(kernel: Kernel, { normal }: Trace, each: Instruction, again: boolean): string {
  const { statement, depth } = normal.statements[each.statement]!
  const line = printStatement(kernel, statement)
  return `${'  '.repeat(depth)}; ${again && statement.kind === 'for' ? `end of ${line}` : line}`
}

const vectorKinds = new Set<string>([
  'binary',
  'unary',
  'shift',
  'accumulate',
  'blend',
  'extract',
  'loadMasked',
  'store',
  'storeMasked',
])

function text(each: Instruction, trace: Trace, features: VectorFeatures): string {
  const { kind, row, target, a, b, c, memory, memoryPlace } = each
  const name = vectorKinds.has(kind) ? (features.avx512 ? row.evexName : row.name) : kind
  const register = (virtual: number): string => nameOf(virtual, trace, features)
  const operands = [target, a].filter((operand) => operand >= 0).map(register)
  if (memory && memoryPlace === 'b') operands.push(memoryText(memory, register))
  if (b >= 0) operands.push(register(b))
  if (memory && memoryPlace === 'c') operands.push(memoryText(memory, register))
  if (c >= 0) operands.push(register(c))
  return `${name} ${operands.join(', ')}`
}

function nameOf(virtual: number, { physical, registers }: Trace, { avx512 }: VectorFeatures): string {
  const number = physical[virtual]!
  const prefixes = { general: '', vector: avx512 ? 'zmm' : 'ymm', mask: 'k' } as const
  const registerClass = registers.classes[virtual]!
  return registerClass === 'general' ? registerNames[number]! : `${prefixes[registerClass]}${number}`
}

function memoryText(memory: VirtualMemory, register: (virtual: number) => string): string {
  const { base, index, scale, displacement, pool, slot, broadcast } = memory
  const all = broadcast ? '{to all}' : ''
  if (pool >= 0) return `[constant ${pool}]${all}`
  if (slot >= 0) return `[stack]`
  const indexed = index >= 0 ? ` + ${register(index)}*${scale}` : ''
  return `[${register(base)}${indexed}${displacement === 0 ? '' : ` + ${displacement}`}]${all}`
}
