/**
 * The shape of the code, enforced: who may import whom (ARCHITECTURE.md says why), no rings, no drawers, no long files.
 * Type-only imports are free: they vanish when the code runs.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../src', import.meta.url))
const LONGEST_FILE = 400 // lines

/** Part of the engine -> the other parts whose values it may import. `plan` hands programs down as types only. */
const ENGINE_MAY_USE: Readonly<Record<string, readonly string[]>> = {
  ir: [],
  kernel: ['ir'],
  ops: ['ir', 'kernel'],
  trace: ['ir', 'ops'],
  autodiff: ['ir', 'ops', 'trace'],
  plan: ['ir', 'ops', 'kernel', 'trace'],
  codegen: ['kernel'],
  runtime: ['ir', 'kernel', 'ops', 'trace', 'autodiff', 'plan', 'codegen'],
}
const KNOWS_NOTHING_OF_THE_ENGINE = new Set(['records', 'data', 'random'])
const DRAWERS = /(^|\/)(utils?|common|helpers?|misc|managers?)(\/|\.|$)/i

interface Import {
  readonly from: string
  readonly to: string
}

/** `import … from './x.ts'`, `export … from './x.ts'`, `import './x.ts'` and `import('./x.ts')`, values only. */
const VALUE_IMPORT =
  /^\s*(?:import|export)\s+(?!type\s)(?:(?:[\w$]+\s*,?\s*)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})?\s*from\s+)?['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]/gm

export function valueImports(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  return [...code.matchAll(VALUE_IMPORT)].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '')
}

function importsOf(file: string): Import[] {
  return valueImports(readFileSync(join(ROOT, file), 'utf8')).map((target) => ({
    from: file,
    to: join(dirname(file), target).split(sep).join('/'),
  }))
}

/** The engine's part that a file lies in, as `plan`; undefined outside and for `engine/index.ts`. */
function enginePart(file: string): string | undefined {
  return /^engine\/([^/]+)\//.exec(file)?.[1]
}

/** One ring of files that import each other, or nothing. */
function findRing(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>()
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return []
    for (const to of next.get(file) ?? []) {
      const ring = visit(to, [...path, file])
      if (ring.length > 0) return ring
    }
    done.add(file)
    return []
  }
  return [...next.keys()].map((file) => visit(file, [])).find((ring) => ring.length > 0) ?? []
}

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .map((file) => relative(ROOT, join(ROOT, file)).split(sep).join('/'))
  .filter((file) => file.endsWith('.ts'))
// Tests may reach into a part; what ships may not.
const imports = files.filter((file) => !file.includes('.test.')).flatMap(importsOf)
const show = ({ from, to }: Import): string => `${from} imports ${to}`

describe('src', () => {
  test('the reader of imports sees values and skips types', () => {
    const source = [
      "import type { A } from './a.ts'",
      "import { b, type B } from './b.ts'",
      "export * from './c.ts'",
      "export type { D } from './d.ts'",
      "/** import { e } from './e.ts' */",
      "import {\n  f,\n} from './f.ts'",
      "const g = await import('./g.ts')",
      "import './h.ts'",
      "export interface I {\n  x: number\n}\nexport type { I2 } from './i.ts'",
      "import * as j from './j.ts'",
      "import k, { l } from './k.ts'",
      "import { readFileSync } from 'node:fs'",
    ].join('\n')
    expect(valueImports(source)).toEqual(['./b.ts', './c.ts', './f.ts', './g.ts', './h.ts', './j.ts', './k.ts'])
    expect(findRing([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual(['b', 'c', 'b'])
    expect(imports.length).toBeGreaterThan(50)
  })

  test('every import leads to a file', () => {
    expect(imports.filter(({ to }) => !files.includes(to)).map(show)).toEqual([])
  })

  test('the engine needs nothing but itself and the random words', () => {
    const outside = imports.filter(({ from, to }) => from.startsWith('engine/') && !/^(engine|random)\//.test(to))
    expect(outside.map(show)).toEqual([])
  })

  test('everyone else enters the engine by its door', () => {
    const inside = imports.filter(({ from, to }) => !from.startsWith('engine/') && enginePart(to) !== undefined)
    expect(inside.map(show)).toEqual([])
  })

  test('inside the engine, imports follow the pipeline', () => {
    const against = imports.filter(({ from, to }) => {
      const part = enginePart(from)
      const target = enginePart(to)
      if (part === undefined) return false
      if (target === undefined) return to.startsWith('engine/') // the door is for others
      return part !== target && !(ENGINE_MAY_USE[part] ?? []).includes(target)
    })
    expect(against.map(show)).toEqual([])
  })

  test('records, data and the random words know nothing of the engine', () => {
    const knowing = imports.filter(({ from, to }) => {
      return KNOWS_NOTHING_OF_THE_ENGINE.has(from.split('/')[0] ?? '') && to.startsWith('engine/')
    })
    expect(knowing.map(show)).toEqual([])
  })

  test('there are no rings of imports', () => {
    expect(findRing(imports)).toEqual([])
  })

  test('no file or folder is a drawer for everything', () => {
    expect(files.filter((file) => DRAWERS.test(file))).toEqual([])
  })

  test(`no file is longer than ${LONGEST_FILE} lines`, () => {
    const long = files
      .map((file) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > LONGEST_FILE)
    expect(long).toEqual([])
  })
})

function edge(from: string, to: string): Import {
  return { from, to }
}
