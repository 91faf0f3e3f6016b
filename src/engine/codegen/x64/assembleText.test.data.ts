/** For tests: assembles one instruction from its text (Intel syntax, as GNU as reads it) with this engine's encoders. */
import { Encoder, memoryAt, type MemoryOperand, type VectorLength, type VectorOptions } from './encoder.ts'
import { conditions, GeneralEncoder, registerNames, type Arithmetic, type Condition } from './general.ts'
import { vectorRows, type VectorRow } from './vectorRows.ts'

type Operand =
  | { readonly kind: 'vector'; readonly number: number; readonly length: VectorLength }
  | { readonly kind: 'mask'; readonly number: number }
  | { readonly kind: 'general'; readonly number: number; readonly bits: 32 | 64 }
  | { readonly kind: 'memory'; readonly memory: MemoryOperand; readonly bits: number }
  | { readonly kind: 'number'; readonly value: number }

interface Parsed {
  readonly operands: readonly Operand[]
  readonly options: VectorOptions
}

const low32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi']
const widths: { readonly [name: string]: number } = {
  WORD: 16,
  DWORD: 32,
  QWORD: 64,
  XMMWORD: 128,
  YMMWORD: 256,
  ZMMWORD: 512,
}

function parseMemory(text: string): MemoryOperand {
  let [base, index, scale, displacement] = [-1, -1, 1, 0]
  for (const part of text.replaceAll('-', '+-').split('+')) {
    const [name, factor] = part.split('*')
    const register = registerNames.indexOf(name!)
    if (register < 0) displacement += Number(part.startsWith('-') ? -Number(part.slice(1)) : part)
    else if (factor !== undefined) [index, scale] = [register, Number(factor)]
    else base = register
  }
  return memoryAt(base, displacement, index, scale as 1 | 2 | 4 | 8)
}

function parseOperand(text: string): Operand {
  const memory = /^(?:(\w+) PTR )?\[(.*)\]$/.exec(text)
  if (memory) return { kind: 'memory', memory: parseMemory(memory[2]!), bits: widths[memory[1] ?? 'QWORD']! }
  const vector = /^([xyz])mm(\d+)$/.exec(text)
  if (vector) return { kind: 'vector', number: Number(vector[2]), length: 'xyz'.indexOf(vector[1]!) as VectorLength }
  if (/^k\d$/.test(text)) return { kind: 'mask', number: Number(text.slice(1)) }
  const wide = registerNames.indexOf(text)
  if (wide >= 0) return { kind: 'general', number: wide, bits: 64 }
  const narrow = low32.includes(text) ? low32.indexOf(text) : registerNames.indexOf(text.replace(/d$/, ''))
  if (narrow >= 0) return { kind: 'general', number: narrow, bits: 32 }
  return { kind: 'number', value: Number(text) }
}

function parse(text: string): Parsed {
  const mask = /\{k(\d)\}/.exec(text)
  const marks = {
    ...(mask ? { mask: Number(mask[1]) } : {}),
    ...(text.includes('{z}') ? { zeroing: true } : {}),
    ...(text.includes('{1to16}') ? { broadcast: true } : {}),
  }
  const plain = text.replaceAll(/\{[^}]*\}/g, '')
  const operands = plain === '' ? [] : plain.split(', ').map(parseOperand)
  const last = operands.at(-1)
  return { operands, options: last?.kind === 'number' ? { ...marks, immediate: last.value } : marks }
}

/** Rows that share their name are told apart by what their operands are. */
function findRow(name: string, [first, second]: readonly Operand[]): VectorRow | undefined {
  const rows = Object.entries(vectorRows).filter(
    ([, row]) => (row.vex && row.name === name) || (row.evex && row.evexName === name),
  )
  if (rows.length <= 1) return rows[0]?.[1]
  const wanted =
    first?.kind === 'memory' ? /store/i : second?.kind === 'general' ? /general/i : /^(load|maskLoad|broadcastInt)/
  return rows.find(([key]) => wanted.test(key))?.[1]
}

const numberOf = (operand: Operand | undefined): number => (operand && 'number' in operand ? operand.number : -1)

function assembleVector(encoder: Encoder, row: VectorRow, { operands, options }: Parsed): void {
  const values = operands.filter((operand) => operand.kind !== 'number')
  const vectors = values.filter((operand) => operand.kind === 'vector')
  const length = Math.max(0, ...vectors.map((operand) => operand.length)) as VectorLength
  const at = values.findIndex((operand) => operand.kind === 'memory')
  const memory = values[at]
  const [a, b, c, d] = values.map(numberOf) as [number, number, number, number]
  if (row === vectorRows.blend) {
    if (memory?.kind === 'memory') encoder.memory(row, length, a, b, memory.memory, { immediate: d << 4 })
    else encoder.registers(row, length, a, b, c, { immediate: d << 4 })
  } else if (memory?.kind === 'memory') {
    const [reg, second] = at === 0 ? (values.length === 3 ? [c, b] : [b, 0]) : values.length === 3 ? [a, b] : [a, 0]
    encoder.memory(row, length, reg, second, memory.memory, options)
  } else if (row.extension > 0) {
    encoder.registers(row, length, row.extension, a, b, options)
  } else if (row === vectorRows.extract128 || row === vectorRows.extract256) {
    encoder.registers(row, length, b, 0, a, options)
  } else {
    encoder.registers(row, length, a, values.length === 3 ? b : 0, values.length === 3 ? c : b, options)
  }
}

const plain: { readonly [name: string]: (g: GeneralEncoder) => void } = {
  ret: (g) => g.return(),
  pause: (g) => g.pause(),
  syscall: (g) => g.syscall(),
  lfence: (g) => g.loadFence(),
  rdtsc: (g) => g.readTimeStamp(),
  cpuid: (g) => g.cpuid(),
  xgetbv: (g) => g.xgetbv(),
}
const oneRegister: { readonly [name: string]: (g: GeneralEncoder, a: number) => void } = {
  neg: (g, a) => g.negate(a),
  mul: (g, a) => g.multiplyWide(a),
  div: (g, a) => g.divideWide(a),
  push: (g, a) => g.push(a),
  pop: (g, a) => g.pop(a),
}
const twoRegisters: { readonly [name: string]: (g: GeneralEncoder, a: number, b: number) => void } = {
  mov: (g, a, b) => g.move(a, b),
  test: (g, a, b) => g.test(a, b),
  imul: (g, a, b) => g.multiply(a, b),
}
const withNumber: { readonly [name: string]: (g: GeneralEncoder, a: number, value: number) => void } = {
  mov: (g, a, value) => g.moveImmediate(a, value),
  shl: (g, a, value) => g.shiftLeft(a, value),
  shr: (g, a, value) => g.shiftRight(a, value),
}
const fromMemory: { readonly [name: string]: (g: GeneralEncoder, a: number, m: MemoryOperand) => void } = {
  mov64: (g, a, m) => g.load(a, m),
  mov32: (g, a, m) => g.load32(a, m),
  movsxd32: (g, a, m) => g.loadSigned32(a, m),
  lea64: (g, a, m) => g.address(a, m),
  imul64: (g, a, m) => g.multiplyMemory(a, m),
  cmp32: (g, a, m) => g.compare32(a, m),
}
const toMemory: { readonly [name: string]: (g: GeneralEncoder, m: MemoryOperand, a: number) => void } = {
  mov64: (g, m, a) => g.store(a, m),
  mov32: (g, m, a) => g.store32(a, m),
  'lock xadd32': (g, m, a) => g.exchangeAdd32(a, m),
}
const onMemory: { readonly [name: string]: (g: GeneralEncoder, m: MemoryOperand) => void } = {
  call: (g, m) => g.callMemory(m),
  prefetcht0: (g, m) => g.prefetch('read', m),
  prefetcht1: (g, m) => g.prefetch('readLater', m),
  prefetchw: (g, m) => g.prefetch('write', m),
  'lock inc': (g, m) => g.increment32(m),
  'lock dec': (g, m) => g.decrement32(m),
}

const arithmeticNames = new Set<string>(['add', 'or', 'and', 'sub', 'xor', 'cmp'])

function assembleGeneral(g: GeneralEncoder, name: string, [a, b, c]: readonly Operand[], text: string): void {
  const condition = /^cmov([gl])$/.exec(name)?.[1]
  const isArithmetic = arithmeticNames.has(name)
  if (!a) plain[name]!(g)
  else if (name === 'movabs') g.moveImmediate64(numberOf(a), BigInt(text.split(', ')[1]!))
  else if (condition) g.moveIf(conditionOf(condition), numberOf(a), numberOf(b))
  else if (a.kind === 'memory' && !b) onMemory[name]!(g, a.memory)
  else if (!b) oneRegister[name]!(g, numberOf(a))
  else if (c?.kind === 'number') g.multiplyImmediate(numberOf(a), numberOf(b), c.value)
  else if (a.kind === 'memory' && b.kind === 'number')
    g.arithmeticMemoryImmediate32(name as Arithmetic, a.memory, b.value)
  else if (a.kind === 'memory') toMemory[`${name}${a.bits}`]!(g, a.memory, numberOf(b))
  else if (b.kind === 'memory' && isArithmetic && b.bits === 64)
    g.arithmeticMemory(name as Arithmetic, numberOf(a), b.memory)
  else if (b.kind === 'memory') fromMemory[`${name}${b.bits}`]!(g, numberOf(a), b.memory)
  else if (b.kind === 'number' && isArithmetic) g.arithmeticImmediate(name as Arithmetic, numberOf(a), b.value)
  else if (b.kind === 'number') withNumber[name]!(g, numberOf(a), b.value)
  else if (name === 'xor' && a.kind === 'general' && a.bits === 32) g.moveImmediate(a.number, 0)
  else if (isArithmetic) g.arithmetic(name as Arithmetic, numberOf(a), numberOf(b))
  else twoRegisters[name]!(g, numberOf(a), numberOf(b))
}

function conditionOf(letter: string): Condition {
  const condition: Condition = letter === 'g' ? 'greater' : 'less'
  if (conditions[condition] === undefined) throw new Error(`no condition ${letter}`)
  return condition
}

/** The bytes of one instruction, in hexadecimal. */
export function assembleText(text: string): string {
  const encoder = new Encoder()
  const [, name, rest] = /^(?:\{load\} )?((?:lock )?\w+) ?(.*)$/.exec(text)!
  const parsed = parse(rest!)
  const row = findRow(name!, parsed.operands)
  if (name === 'vzeroupper') encoder.vzeroupper()
  else if (row) assembleVector(encoder, row, parsed)
  else assembleGeneral(new GeneralEncoder(encoder), name!, parsed.operands, text)
  return Buffer.from(encoder.code.finish().bytes).toString('hex')
}
