/** Files beside a model's weights that are carried along from a folder to a run and from there to another folder. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export const CONFIG_FILE = 'config.json'

/** Configurations, tokenizers in every form that transformers saves, and the licence. */
const CARRIED = new Set([
  CONFIG_FILE,
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'LICENSE',
  'LICENSE.txt',
])

/** Paths of the files of a folder that are carried along, in the order of their names. */
export function carriedFiles(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => CARRIED.has(name))
    .toSorted()
    .map((name) => join(folder, name))
}
