/** Reading the values of a `config.json`, each with its type and a default, and saying what of it is not supported. */
import { z } from 'zod'
import { ExchangeError } from '../exchangeError.ts'

export const wholeNumber = z.int().min(1)
export const positive = z.number().gt(0)
export const flag = z.boolean()
export const share = z.number().min(0).lt(1)
export const weight = z.number().min(0)

export interface ConfigReader {
  /** The file, for messages. */
  readonly path: string
  /**
   * The value of a key. Without a default the key must be there; null counts as absent unless the schema takes it.
   * Throws ExchangeError.
   */
  read<S extends z.ZodType>(key: string, schema: S, fallback?: z.infer<S>): z.infer<S>
  /** Throws ExchangeError unless the value, or the default, is one of those that the model here has. */
  expect(key: string, fallback: unknown, ...supported: readonly unknown[]): void
  /** The values under a key that holds an object; an empty reader where there is none. */
  section(key: string): ConfigReader
  has(key: string): boolean
}

/** A reader of the values of a parsed JSON file. Throws ExchangeError where it is no object. */
export function configReader(path: string, json: unknown, within = ''): ConfigReader {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ExchangeError(
      path,
      `${within === '' ? path : `"${within.slice(0, -1)}" of ${path}`} is no JSON object.`,
      'A model’s config.json maps names to values; copy or download it again.',
    )
  }
  const values = new Map<string, unknown>(Object.entries(json))
  const get = (key: string): unknown => values.get(key) ?? undefined
  return {
    path,
    has: (key) => get(key) !== undefined,
    read(key, schema, fallback) {
      const given = values.get(key)
      const isAbsent = given === undefined || (given === null && !schema.safeParse(null).success)
      const value = isAbsent ? fallback : given
      const parsed = schema.safeParse(value)
      if (parsed.success) return parsed.data
      const what = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`
      throw new ExchangeError(
        path,
        `"${within}${key}" ${what} in ${path}: ${parsed.error.issues[0]?.message ?? 'it is of another type'}.`,
        'The file is no whole configuration of this architecture; copy or download it again.',
      )
    },
    expect(key, fallback, ...supported) {
      const value = get(key) ?? fallback
      if (supported.some((candidate) => JSON.stringify(candidate) === JSON.stringify(value))) return
      throw new ExchangeError(
        path,
        `"${within}${key}" is ${JSON.stringify(value)} in ${path}, which the model here does not have.`,
        `Supported: ${supported.map((candidate) => JSON.stringify(candidate)).join(', ')}.`,
      )
    },
    section: (key) => configReader(path, get(key) ?? {}, `${within}${key}.`),
  }
}
