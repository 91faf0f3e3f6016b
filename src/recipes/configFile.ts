/** Configuration files: YAML or JSON, read with the line of each key so that errors can point at it. */
import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import { RecipeError } from './recipeError.ts'

export interface ConfigFile {
  /** Where it was read from, for messages. */
  readonly file: string
  readonly values: Readonly<Record<string, unknown>>
  /** `optimizer.weightDecay` -> its line, from 1. */
  readonly lines: ReadonlyMap<string, number>
}

/** Reads a `.json` file as JSON and anything else as YAML. Throws RecipeError naming the file, line and fault. */
export function readConfigFile(file: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const reason = READ_FAULTS.get((error as NodeJS.ErrnoException).code ?? '') ?? String(error)
    throw new RecipeError(`Cannot read the configuration file "${file}": ${reason}.`, 'Check the path after --config.')
  }
  return parseConfig(text, file)
}

const READ_FAULTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'reading it is not allowed'],
])

const SHAPE_HINT = 'Write sections with keys, as in  optimizer: { weightDecay: 0.2 }  or the same as JSON.'

/** The same from text; `file` decides between JSON and YAML by its ending and is named in errors. */
export function parseConfig(text: string, file: string): ConfigFile {
  if (/\.json$/i.test(file)) checkJson(text, file)
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: true })
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault !== undefined) {
    const line = fault.linePos?.[0].line ?? 1
    const [reason = ''] = fault.message.split(/ at line |\n/)
    throw new RecipeError(`${file}:${line}: ${reason.replace(/[.:]$/, '')}.`, SHAPE_HINT)
  }
  if (document.contents !== null && !isMap(document.contents)) {
    throw new RecipeError(`${file}:1: the file holds no sections.`, SHAPE_HINT)
  }
  return { file, values: plainValues(document, file), lines: keyLines(document, counter) }
}

function plainValues(document: Document.Parsed, file: string): Record<string, unknown> {
  try {
    return (document.toJS() ?? {}) as Record<string, unknown>
  } catch (error) {
    throw new RecipeError(`${file}: ${error instanceof Error ? error.message : String(error)}.`, SHAPE_HINT)
  }
}

function keyLines(document: Document.Parsed, counter: LineCounter): Map<string, number> {
  const lines = new Map<string, number>()
  const visit = (node: unknown, prefix: string): void => {
    if (!isMap(node)) return
    for (const { key, value } of node.items) {
      if (!isScalar(key)) continue
      const path = `${prefix}${String(key.value)}`
      lines.set(path, counter.linePos(key.range?.[0] ?? 0).line)
      visit(value, `${path}.`)
    }
  }
  visit(document.contents, '')
  return lines
}

/** YAML allows more than JSON; a file that says it is JSON must be. */
function checkJson(text: string, file: string): void {
  try {
    JSON.parse(text)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const position = /position (\d+)/.exec(message)?.[1]
    const end = text.trimEnd().length
    const before = text.slice(0, Math.min(end, position === undefined ? end : Number(position)))
    const reason = message.replace(/ in JSON at position.*$/, '').replace(/ \(line .*$/, '')
    throw new RecipeError(`${file}:${before.split('\n').length}: not valid JSON: ${reason}.`, SHAPE_HINT)
  }
}
