/** Folders and files for other programs, written whole or not at all. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nodeDisk, replaceSlot, writeWholeFile, writing, type Disk } from '../checkpoint/index.ts'
import { ExchangeError } from './exchangeError.ts'

/**
 * Makes a folder that `fill` writes into, under its name only when it is complete.
 * Throws ExchangeError where something is there already, CheckpointError where the disk refuses.
 */
export function writeFolder(folder: string, fill: (folder: string) => void, disk: Disk = nodeDisk): void {
  const slot = folder.replace(/(?<=.)\/+$/, '')
  const found = statSync(slot, { throwIfNoEntry: false })
  if (found !== undefined && !(found.isDirectory() && readdirSync(slot).length === 0)) throw taken(folder)
  writing(folder, () => replaceSlot(slot, fill, disk))
}

/** Copies files into a folder under their own names. */
export function copyFiles(paths: readonly string[], folder: string, disk: Disk = nodeDisk): void {
  for (const path of paths) writeWholeFile(join(folder, basename(path)), [readFileSync(path)], disk)
}

/** What is there is never written over: it may be the only copy of a model. */
export function taken(path: string): ExchangeError {
  return new ExchangeError(path, `${path} exists already.`, 'Give a new name, or move what is there out of the way.')
}
