import type { z } from 'zod'

/** The first thing that is wrong with a record, in words: "ledger.entries[3].name: expected string, …". */
export function explainMismatch(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'it does not have the expected form'
  const path = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  const place = path.startsWith('.') ? path.slice(1) : path
  return place === '' ? issue.message : `${place}: ${issue.message}`
}
