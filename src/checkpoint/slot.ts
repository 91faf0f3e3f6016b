/**
 * A slot is a folder that is replaced as a whole, such as `checkpoints/last`. A crash at any moment leaves a complete
 * version of it under one of three names, because these are the only steps, in this order:
 *
 *     1  fill last.tmp-PID, sync it        (its content may be anything; nobody reads this name)
 *     2  last.tmp-PID -> last.new          (complete from here on, and the newest)
 *     3  last         -> last.old
 *     4  last.new     -> last
 *     5  remove last.old                   (may be half gone, but last is there)
 *
 * Readers take the first of last.new, last, last.old that is there; the next save first finishes what was begun.
 */
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { nodeDisk, type Disk } from './disk.ts'
import { removeQuietly } from './wholeFile.ts'

/** The folder that holds the slot's newest complete version, or undefined when it was never filled. */
export function findSlot(slot: string): string | undefined {
  return [`${slot}.new`, slot, `${slot}.old`].find((path) => existsSync(path))
}

/**
 * Replaces the slot by a folder that `fill` writes; `fill` must sync its files. Throws what `fill` and the disk throw;
 * then the earlier version is still there, whole.
 */
export function replaceSlot(slot: string, fill: (folder: string) => void, disk: Disk = nodeDisk): void {
  const parent = dirname(slot)
  disk.makeFolder(parent)
  settleSlot(slot, disk)
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${basename(slot)}.tmp-`)) disk.remove(join(parent, name))
  }
  const temporary = `${slot}.tmp-${process.pid}`
  try {
    disk.makeFolder(temporary)
    fill(temporary)
    disk.syncFolder(temporary)
    disk.rename(temporary, `${slot}.new`)
  } catch (error) {
    removeQuietly(temporary, disk)
    throw error
  }
  disk.syncFolder(parent)
  settleSlot(slot, disk)
}

/** Goes on from whichever step a crash stopped at. */
function settleSlot(slot: string, disk: Disk): void {
  if (existsSync(`${slot}.new`)) {
    if (existsSync(slot)) {
      disk.remove(`${slot}.old`)
      disk.rename(slot, `${slot}.old`)
    }
    disk.rename(`${slot}.new`, slot)
    disk.syncFolder(dirname(slot))
  }
  if (existsSync(slot)) disk.remove(`${slot}.old`)
}
